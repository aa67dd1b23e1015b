"""Scores of several trackers, by sequence and by attribute."""
import numpy as np
import pytest

from ct_mm.tracking.datasets.benchmarks import SequenceFolder
from ct_mm.tracking.evaluation.reports.score_sheet import ScoreSheet
from ct_mm.tracking.evaluation.results.saved_tracks import SavedTracks
from ct_mm.tracking.evaluation.scoring import conventions

LENGTHS = dict(short=3, middle=5, long=11)
ATTRIBUTES = dict(short=('Fast Motion', ), long=('Fast Motion', 'Out of View'))


@pytest.fixture
def make_sheet(toy_set, write_results):

    def make(convention='pytracking', **shifts):
        dataset = toy_set(LENGTHS, attributes=ATTRIBUTES)
        folders = {name: write_results(name, dataset, shift) for name, shift in shifts.items()}
        return ScoreSheet(SavedTracks(dataset, folders), convention)

    return make


def test_the_best_comes_first_and_equals_in_the_order_given(make_sheet):
    sheet = make_sheet(far=8, near=2, same=8)
    assert sheet.rank('success') == ['near', 'far', 'same'] and sheet.keys[0] == sheet.main_key == 'success'
    assert sheet.summary('near')['success'] > sheet.summary('far')['success']


def test_attributes_are_the_scores_of_their_sequences(make_sheet):
    sheet = make_sheet(a=dict(short=1, middle=4, long=9))
    assert sheet.attributes == {'Fast Motion': [0, 2], 'Out of View': [2]}
    each = sheet.each('a', 'success')
    assert sheet.summary('a', sheet.attributes['Fast Motion'])['success'] == pytest.approx((each[0] + each[2]) / 2)
    assert sheet.summary('a')['success'] == pytest.approx(each.mean())


@pytest.mark.parametrize('convention', conventions.names())
def test_every_score_is_the_mean_by_the_weights(make_sheet, convention):
    sheet = make_sheet(convention, a=dict(short=1, middle=30, long=9))
    assert sheet.main_key == ('ao' if convention == 'got10k' else 'success')
    for key in sheet.keys:
        mean = np.average(sheet.each('a', key), weights=sheet.weights('a', key))
        assert sheet.summary('a')[key] == pytest.approx(mean), key


def test_a_score_that_the_convention_lacks(make_sheet):
    with pytest.raises(ValueError, match="'got10k' has success, ao, .*, not 'precision'"):
        make_sheet('got10k', a=1).check_key('precision')


def test_what_only_a_server_can_score_is_refused(toy_set, write_results):
    dataset = toy_set(LENGTHS, first_box_only=True)
    with pytest.raises(ValueError, match='3 of 3 sequences, such as short, .*pack_submission'):
        ScoreSheet(SavedTracks(dataset, dict(a=write_results('a', dataset))))


def test_real_tracks_score_as_each_by_itself(shared, tmp_path):
    dataset = SequenceFolder(shared / 'data' / 'sequences')
    for name in dataset.names:
        path = shared / 'data' / 'sequences' / name / 'track_nanotrack_v2.txt'
        (tmp_path / f'{name}.txt').write_text(path.read_text())
    sheet = ScoreSheet(SavedTracks(dataset, dict(nano=tmp_path)))
    scores = []
    for index, name in enumerate(dataset.names):
        sequence = dataset.get_sequence(index)
        boxes = np.loadtxt(tmp_path / f'{name}.txt', delimiter=',')
        scores.append(conventions.score_sequence(boxes, sequence.boxes, sequence.visible, sequence.image_size))
    assert sheet.summary('nano') == conventions.summarize(scores)
    assert 60 < sheet.summary('nano')['success'] < 75  # its peers' order: CSRT has 49
