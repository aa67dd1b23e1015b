"""The table at the start of a run."""
from types import SimpleNamespace

import pytest

from ct_mm.compression.hooks import DivisionSummaryHook, division_summary_hook


@pytest.fixture
def printed(monkeypatch):
    """What the hook prints in two iterations with a batch."""

    def run(distiller, batch):
        lines = []
        monkeypatch.setattr(division_summary_hook, 'print_log', lambda text, *_: lines.append(text))
        distiller.data_preprocessor.forward = lambda data, training: data
        hook, runner = DivisionSummaryHook(), SimpleNamespace(model=distiller)
        for iteration in range(2):
            hook.before_train_iter(runner, iteration, dict(inputs=batch[0], data_samples=batch[1]))
        assert len(lines) == 1, 'once'
        return lines[0].splitlines()

    return run


def test_it_says_what_was_decided(make_distiller, batch, printed):
    distiller = make_distiller(num_stages=2)
    lines = printed(distiller, batch)
    table = {line.split()[0]: line.split() for line in lines if line.strip()}
    assert table['0'] == ['0', '0-2', 'layer', '2'] and table['1'] == ['1', '3-5', 'layer', '5']
    blocks = [sum(p.numel() for p in block.parameters()) for block in distiller.teacher.backbone.blocks]
    parameters = sum(p.numel() for p in distiller.teacher.parameters())
    assert table['teacher'][0] == 'teacher'
    assert f'{(parameters - sum(blocks[:4])) / 1e6:.2f}' == table['student'][2]
    # by hand: 20 tokens of width 32; qkv, proj and MLP are 12 C^2 T products, attention 2 T^2 C
    saved = 4 * 2 * (12 * 32 * 32 * 20 + 2 * 20 * 20 * 32) / 1e9
    teacher_flops = [line for line in lines if line.startswith('teacher ')][0].split()[3]
    assert float(teacher_flops) - float(table['student'][3]) == pytest.approx(saved, abs=1.1e-3)
    assert table['loss_guidance'][1:] == ['output', 'of', 'head:', 'boxes']


def test_it_says_what_was_not_simply_copied(make_distiller, batch, printed):
    distiller = make_distiller(num_stages=2, student=dict(mlp_ratio=2.0), layers_per_stage=[1, 2])
    rows = [line for line in printed(distiller, batch) if line.strip()[:1] in ('0', '1') and 'layer' in line]
    assert [row.split()[:4] for row in rows] == [['0', '0-2', 'layer', '2'], ['1', '3-4', 'layer', '4'],
                                                 ['1', '5-5', 'layer', '5']]
    assert all('by importance mlp.fc1.weight 128 -> 64' in row for row in rows)


def test_it_says_which_losses_are_off(make_distiller, batch, printed):
    lines = printed(make_distiller(mimic=None, guidance=None), batch)
    assert {'loss_mimic     off', 'loss_guidance  off'} <= set(lines)
