"""Where one tracker beats another, and how sure that is."""
import csv

import numpy as np
import pytest

from ct_mm.tracking.evaluation.reports.results_comparison import ResultsComparison
from ct_mm.tracking.evaluation.reports.score_sheet import ScoreSheet
from ct_mm.tracking.evaluation.results.saved_tracks import SavedTracks
from ct_mm.tracking.evaluation.scoring import conventions

LENGTHS = {f'sequence{i}': 4 + 3 * i for i in range(8)}
SHIFTS = dict(sequence0=9, sequence1=1, sequence2=4, sequence3=12, sequence4=4, sequence5=6, sequence6=2, sequence7=5)


@pytest.fixture
def make_sheet(toy_set, write_results):

    def make(convention='pytracking', first=4, second=SHIFTS):
        dataset = toy_set(LENGTHS, attributes=dict(sequence0=('Fast Motion', ), sequence1=('Fast Motion', )))
        folders = dict(first=write_results('first', dataset, first), second=write_results('second', dataset, second))
        return ScoreSheet(SavedTracks(dataset, folders), convention)

    return make


def test_sequences_won_and_lost(make_sheet, tmp_path):
    comparison = ResultsComparison(make_sheet())
    order = [list(LENGTHS)[i] for i in comparison.order()]
    assert order == ['sequence1', 'sequence6', 'sequence2', 'sequence4', 'sequence7', 'sequence5', 'sequence0',
                     'sequence3']
    comparison.write(tmp_path, 'Toys', top=2)
    text = (tmp_path / 'comparison.md').read_text()
    won, lost = text.split('## Sequences that second loses most')
    assert 'second against first on Toys' in won and 'better on 2, worse on 4 and equal on 2 of 8 sequences' in won
    assert won.index('| sequence1 | Fast Motion |') < won.index('| sequence6 |') and '| sequence2 ' not in won
    assert lost.index('| sequence3 |') < lost.index('| sequence0 ') and '| sequence5 ' not in lost
    with open(tmp_path / 'comparison.csv', newline='') as stream:
        rows = list(csv.DictReader(stream))
    assert [row['sequence'] for row in rows] == order
    assert float(rows[0]['difference']) == float(rows[0]['second success']) - float(rows[0]['first success']) > 0


@pytest.mark.parametrize('convention', conventions.names())
def test_the_mean_difference_is_that_of_the_benchmark(make_sheet, convention):
    sheet = make_sheet(convention, first=dict(SHIFTS, sequence0=40))  # no overlap at all: LaSOT's toolkit drops it
    for key in sheet.keys:
        found = ResultsComparison(sheet, key, resamples=50).difference()
        assert found.mean == pytest.approx(sheet.summary('second')[key] - sheet.summary('first')[key], abs=1e-9), key
        assert found.low <= found.high


def test_the_interval_is_the_bootstrap_over_sequences(make_sheet):
    comparison = ResultsComparison(make_sheet(), resamples=4000)
    found = comparison.difference()
    rng = np.random.default_rng(7)
    draws = rng.choice(comparison.gains, (4000, len(comparison.gains))).mean(axis=1)
    np.testing.assert_allclose([found.low, found.high], np.quantile(draws, [0.025, 0.975]), atol=0.1 * draws.std())
    assert found.low < found.mean < found.high


def test_the_interval_depends_on_the_seed_alone(make_sheet):
    sheet = make_sheet()
    assert ResultsComparison(sheet).difference() == ResultsComparison(sheet).difference()
    assert ResultsComparison(sheet, seed=1).difference() != ResultsComparison(sheet).difference()
    same = ResultsComparison(make_sheet(second=4)).difference()
    assert (same.mean, same.low, same.high) == (0, 0, 0)


def test_what_cannot_be_compared(make_sheet, toy_set, write_results):
    dataset = toy_set(LENGTHS)
    with pytest.raises(ValueError, match='two trackers, not a'):
        ResultsComparison(ScoreSheet(SavedTracks(dataset, dict(a=write_results('a', dataset)))))
    with pytest.raises(ValueError, match="has success, .*, not 'auc'"):
        ResultsComparison(make_sheet(), 'auc')
