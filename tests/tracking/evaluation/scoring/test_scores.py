import numpy as np
import pytest

from ct_mm.tracking.evaluation import got10k_ious, got10k_scores, ope_curves, ope_errors, ope_scores

SEQUENCES = ('davis_car_shadow', 'otb_crossing', 'uav_boat1', 'uav_person12_1', 'uav_truck4_1', 'vot15_bag')
TRACKERS = ('csrt', 'nanotrack_v2')


@pytest.fixture(scope='module')
def numbers(reference):
    with reference('metrics_reference') as file:
        return dict(file)


def track(numbers, sequence, tracker):
    return (numbers[f'{sequence}/{tracker}/prediction'], numbers[f'{sequence}/groundtruth'],
            numbers.get(f'{sequence}/visible'), tuple(numbers[f'{sequence}/image_size_wh']))


@pytest.mark.parametrize('tracker', TRACKERS)
@pytest.mark.parametrize('sequence', SEQUENCES)
def test_one_sequence_agrees_with_the_reference(numbers, sequence, tracker):
    prediction, truth, visible, size = track(numbers, sequence, tracker)
    expected = {key.rpartition('/')[2]: value for key, value in numbers.items()
                if key.startswith(f'{sequence}/{tracker}/expected/')}
    for name, curve in ope_curves(prediction, truth, visible).items():
        np.testing.assert_allclose(curve, expected[f'{name}_curve'], rtol=0, atol=1e-6)
    scores = ope_scores(prediction, truth, visible)
    assert scores['success'] == pytest.approx(float(expected['success_auc']), rel=1e-6)
    assert scores['precision'] == pytest.approx(float(expected['precision_20']), rel=1e-6)
    assert scores['norm_precision'] == pytest.approx(float(expected['norm_precision_020']), rel=1e-6)
    ious = got10k_ious(prediction, truth, size, visible)
    np.testing.assert_allclose(ious, expected['got10k_ious'], rtol=0, atol=1e-6)
    for name, value in got10k_scores(ious).items():
        assert value == pytest.approx(float(expected[f'got10k_{name}']), abs=1e-6)


@pytest.mark.parametrize('tracker', TRACKERS)
def test_aggregates_agree_with_the_reference(numbers, tracker):
    tracks = [track(numbers, sequence, tracker) for sequence in SEQUENCES]
    scores = [ope_scores(prediction, truth, visible) for prediction, truth, visible, _ in tracks]
    for name, key in (('success', 'success_auc'), ('precision', 'precision_20'),
                      ('norm_precision', 'norm_precision_020')):
        mean = np.mean([score[name] for score in scores])
        assert mean == pytest.approx(float(numbers[f'mean_over_sequences/{tracker}/{key}']), rel=1e-6)
    ious = np.concatenate(
        [got10k_ious(prediction, truth, size, visible) for prediction, truth, visible, size in tracks])
    for name, value in got10k_scores(ious).items():
        assert value == pytest.approx(float(numbers[f'all_frames/{tracker}/got10k_{name}']), abs=1e-6)


def test_a_perfect_track_scores_full_except_at_the_last_overlap_threshold():
    truth = np.tile([10., 20., 30., 40.], (4, 1))
    scores = ope_scores(truth, truth)  # of the 21 thresholds, IoU > 1 never holds
    assert scores == pytest.approx(dict(success=100 * 20 / 21, precision=100, norm_precision=100))
    assert got10k_scores(got10k_ious(truth, truth, (100, 100))) == pytest.approx(dict(ao=1, sr50=1, sr75=1))


def test_invalid_annotation_is_a_miss_in_one_convention_and_left_out_in_the_other():
    prediction = np.tile([10., 20., 30., 40.], (4, 1))
    truth = prediction.copy()
    truth[1] = np.nan
    truth[2, 2] = 0
    overlap, distance, norm_distance = ope_errors(prediction, truth)
    assert overlap.tolist() == [1, -1, -1, 1]
    assert np.isinf(distance).tolist() == np.isinf(norm_distance).tolist() == [False, True, True, False]
    assert ope_scores(prediction, truth)['norm_precision'] == 50
    assert got10k_ious(prediction, truth).tolist() == pytest.approx([1])
    # A flag cannot make a frame without a box countable.
    assert got10k_ious(prediction, truth, visible=[1, 1, 1, 1]).tolist() == pytest.approx([1])


def test_frame_zero_is_given_in_one_convention_and_left_out_in_the_other():
    truth = np.tile([10., 20., 30., 40.], (2, 1))
    prediction = truth.copy()
    prediction[0] = 0
    assert ope_errors(prediction, truth)[0].tolist() == [1, 1]
    assert len(got10k_ious(prediction, truth)) == 1
    assert prediction[0].tolist() == [0, 0, 0, 0]  # the caller's array is untouched


def test_a_box_of_zero_size_repeats_the_one_before_only_in_one_pass_evaluation():
    truth = np.tile([10., 20., 30., 40.], (3, 1))
    prediction = truth.copy()
    prediction[1:, 2:] = 0
    assert ope_errors(prediction, truth)[0].tolist() == [1, 1, 1]
    assert got10k_ious(prediction, truth).tolist() == [0, 0]


@pytest.mark.parametrize('score', [ope_scores, got10k_ious])
def test_predictions_that_would_silently_be_misses_are_refused(score):
    truth = np.tile([10., 20., 30., 40.], (3, 1))
    for bad in (np.nan, np.inf, -1):
        prediction = truth.copy()
        prediction[2, 3] = bad
        with pytest.raises(ValueError, match='frame 2'):
            score(prediction, truth)
    with pytest.raises(ValueError, match=r'\(2, 4\).*\(3, 4\)'):
        score(truth[:2], truth)
    with pytest.raises(ValueError, match='visible'):
        score(truth, truth, visible=[True])


def test_no_frame_to_score():
    truth = np.array([[10., 20., 30., 40.]])
    with pytest.raises(ValueError, match='no frame to score'):
        got10k_scores(got10k_ious(truth, truth))
