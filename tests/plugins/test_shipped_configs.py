"""The page of shipped configs, the comparison behind it, and one of its rows."""
import copy
import json
from pathlib import Path

import pytest
from shipped_configs import make_table
from shipped_configs.compare import Outcome, compare
from shipped_configs.rows import ROWS
from shipped_configs.run_row import run_row

PAGE = Path(__file__).resolve().parents[2] / 'docs' / 'shipped_configs.md'
RECORD = dict(
    optimizer={'a.weight': dict(lr=0.1, weight_decay=0.0), 'b.weight': dict(lr=0.2, weight_decay=0.0)},
    optimizer_at_the_end={'a.weight': dict(lr=0.1)}, trained={'a.weight': True}, images=['one', 'two'],
    ema=[dict(type='EMAHook', average='ExponentialMovingAverage', momentum=0.1, names=['a.weight'])],
    scores=dict(accuracy=50.0))
STUDENT = "model = dict(type='Net')\noptim_wrapper = dict(optimizer=dict(type='SGD'))\n"


def test_the_page_shows_the_results():
    results = json.loads(make_table.RESULTS.read_text(encoding='utf-8'))
    assert set(results) <= {row.name for row in ROWS} and len(results) >= 12
    outcomes = [Outcome(**results[row.name]) for row in ROWS if row.name in results]
    assert not [outcome for outcome in outcomes if outcome.differences]
    assert {outcome.library for outcome in outcomes} == {'mmpretrain', 'mmdet', 'mmseg'}
    assert PAGE.read_text(encoding='utf-8') == make_table.write_page(outcomes)


def test_equal_records_have_no_difference():
    outcome = compare(ROWS[0], RECORD, copy.deepcopy(RECORD), STUDENT, dict(accuracy=50.01))
    assert outcome.differences == [] and outcome.exported == 'Net'
    assert (outcome.parameters, outcome.rates, outcome.decays) == (2, 2, 1)


@pytest.mark.parametrize(('path', 'value', 'found'), [
    (('optimizer', 'a.weight', 'lr'), 0.3, 'lr of a.weight is 0.3 instead of 0.1'),
    (('optimizer', 'c.weight'), dict(lr=0.1, weight_decay=0.0), 'the plain training has no c.weight'),
    (('optimizer_at_the_end', 'a.weight', 'weight_decay'), 0.1, 'optimizer_at_the_end: weight_decay of a.weight'),
    (('trained', 'a.weight'), False, 'a.weight is frozen'),
    (('images', ), ['one', 'three'], 'images: '),
    (('ema', ), [], 'averages of weights'),
    (('scores', ), dict(precision=50.0), "scores: ['accuracy'] and ['precision']"),
    (('scores', 'accuracy'), 60.0, 'accuracy of the exported student is 50.0, but was 60.0'),
])
def test_a_difference_is_found(path, value, found):
    record = place = copy.deepcopy(RECORD)
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    assert any(found in text for text in compare(ROWS[0], RECORD, record, STUDENT, dict(accuracy=50.0)).differences)


def test_a_config_that_names_ct_mm_is_found():
    outcome = compare(ROWS[0], RECORD, RECORD, STUDENT + "part = 'ct_mm.StageDividedBackbone'", RECORD['scores'])
    assert outcome.differences == ['the exported config names ct_mm']


@pytest.mark.slow
@pytest.mark.parametrize('name', [
    'mmpretrain/deit-small_4xb256_in1k', 'mmseg/segformer_mit-b0_8xb2-160k_ade20k-512x512'])
def test_a_row_holds(name, need, mim, tmp_path):
    need(name.partition('/')[0])
    row, = (row for row in ROWS if row.name == name)
    assert run_row(row, tmp_path).differences == []
