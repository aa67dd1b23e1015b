"""The rows of docs/architectures.md, each compressed in a real run."""
from pathlib import Path

import pytest
from architectures import rows  # noqa: F401  (enters them)
from architectures.row import CHECKS, ROWS, Outcome

PAGE = Path(__file__).resolve().parents[2] / 'docs' / 'architectures.md'


@pytest.fixture(autouse=True)
def offline(monkeypatch):
    monkeypatch.setenv('HF_HUB_OFFLINE', '1')


@pytest.mark.parametrize('name', ROWS)
def test_what_is_promised_holds(name, need, tmp_path):
    need(*(module for module in ROWS[name].modules if module not in ('torch', 'ct_mm')))
    from architectures.check_row import check_row
    outcome = check_row(name, tmp_path)
    assert set(outcome.checks) == set(CHECKS)
    assert not outcome.failed
    cells = [line.strip('| ').split(' | ') for line in PAGE.read_text(encoding='utf-8').splitlines()]
    stacks = '<br>'.join(f'`{path}`: {before} → {after}' for path, before, after in outcome.stacks)
    shown = [row[-1] for row in cells if row[0].partition(' [')[0] == name.partition(': ')[2] and stacks in row]
    assert shown == [outcome.exported], 'run projects/architectures/make_table.py'


def test_a_check_that_fails_or_never_ran_is_reported():
    outcome = Outcome('some model', 'a library', checks=dict.fromkeys(CHECKS, ''))
    assert outcome.failed == []
    outcome.checks['gradient'] = 'none in backbone.blocks'
    del outcome.checks['mimic falls']
    assert outcome.failed == ['gradient: none in backbone.blocks', 'mimic falls: not checked']
    assert 'FAILS gradient: none in backbone.blocks' in str(outcome)


def test_the_checks_find_what_they_are_for(need, tmp_path, monkeypatch):
    need()
    from architectures import check_row as module

    from ct_mm.compression.division.slot import Slot
    run = Slot.forward

    def cut(self, *args, **kwargs):
        output = run(self, *args, **kwargs)
        return output if self.by_student else output.detach() + 1e-3

    monkeypatch.setattr(Slot, 'forward', cut)
    outcome = module.check_row('torch: nn.TransformerEncoder', tmp_path, steps=2)
    assert outcome.checks['gradient'] == 'none in network.layers'
    assert outcome.checks['teacher path'].startswith('output 0 differs by')
    assert outcome.checks['teacher kept'] == outcome.checks['student path'] == ''


def test_outputs_are_compared_bit_for_bit():
    import torch
    from architectures.check_row import difference
    a, b = torch.ones(2, 3), torch.ones(2, 3)
    assert difference([a], [b]) == ''
    b[1, 2] += 1e-6
    assert difference([a], [b]).startswith('output 0 differs by')
    assert difference([a], [a[:1]]) == 'output 0 is (2, 3) and (1, 3)'
    assert difference([a], []) == '1 tensors and 0' and difference([], []) == 'no output'
