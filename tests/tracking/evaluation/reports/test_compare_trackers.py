import numpy as np
import pytest
import torch
from mmengine.evaluator import Evaluator
from mmengine.structures import InstanceData

from ct_mm.tracking.datasets.reading import FrameSequence
from ct_mm.tracking.evaluation.reports import compare_trackers as module
from ct_mm.tracking.evaluation.reports.compare_trackers import compare_trackers
from ct_mm.tracking.structures import TrackDataSample


def test_tracks_and_scores_are_those_of_each_tracker_alone(make_tracker, sequences):
    trackers = dict(deep=make_tracker(3, seed=1), shallow=make_tracker(1, seed=2))
    rows, tracks = compare_trackers(trackers, sequences)
    assert [(row.name, row.layers) for row in rows] == [('deep', 3), ('shallow', 1)]
    assert rows[0].flops > rows[1].flops and rows[0].parameters > rows[1].parameters
    for row, alone in zip(rows, (make_tracker(3, seed=1), make_tracker(1, seed=2))):
        evaluator = Evaluator(dict(type='ct_mm.SOTMetric'))
        for sequence in sequences:
            track, _ = alone.track_sequence(sequence)
            np.testing.assert_array_equal(tracks[sequence.name][row.name], track)
            sample = TrackDataSample(
                metainfo=dict(
                    sequence_name=sequence.name, gt_boxes=sequence.boxes, visible=sequence.visible,
                    image_size=sequence.image_size))
            sample.pred_track_instances = InstanceData(bboxes=torch.from_numpy(track))
            evaluator.process([sample])
        scores = evaluator.evaluate(len(sequences))
        assert row.ao == pytest.approx(scores['sot/ao']) and row.success == pytest.approx(scores['sot/success'])
        assert row.ao > 0


def test_times_are_medians_of_track_alone(make_tracker, sequences, monkeypatch):
    clock = [0.0]
    monkeypatch.setattr(module.time, 'perf_counter', lambda: clock[0])

    def slow(tracker, seconds):
        track, init = tracker.track, tracker.init
        calls = iter(range(1000))

        def timed_track(image):
            clock[0] += seconds * (100 if next(calls) == 9 else 1)  # one frame on which the machine was busy
            return track(image)

        def timed_init(image, box):
            clock[0] += 50
            init(image, box)

        tracker.track, tracker.init = timed_track, timed_init
        return tracker

    trackers = dict(teacher=slow(make_tracker(), 0.012), student=slow(make_tracker(1), 0.004))
    rows, _ = compare_trackers(trackers, sequences)
    assert [row.ms_per_frame for row in rows] == pytest.approx([12, 4])
    assert [row.speed for row in rows] == pytest.approx([1, 3])


def test_the_trackers_take_turns_on_every_frame(make_tracker, sequences):
    order = []

    def noted(name):
        tracker = make_tracker(1)
        track = tracker.track
        tracker.track = lambda image: order.append(name) or track(image)
        return tracker

    compare_trackers({name: noted(name) for name in 'ab'}, sequences[:1])
    measured = order[-2 * 5:]  # the frames after the first
    assert [''.join(measured[i:i + 2]) for i in range(0, 10, 2)] == ['ba', 'ab', 'ba', 'ab', 'ba']


def test_trackers_come_back_in_the_mode_they_had(make_tracker, sequences):
    trackers = dict(a=make_tracker(1).train(), b=make_tracker(1))
    statistics = trackers['a'].head.score[0].bn.running_mean.clone()
    compare_trackers(trackers, sequences)
    assert trackers['a'].training and not trackers['b'].training
    assert torch.equal(trackers['a'].head.score[0].bn.running_mean, statistics)


def test_progress(make_tracker, sequences):
    seen = []
    compare_trackers(dict(a=make_tracker(1)), sequences, lambda *done: seen.append(done))
    assert seen[0] == ('left', 1) and seen[-1] == ('right', 4) and len(seen) == 10


def test_what_cannot_be_compared(make_tracker, sequences):
    tracker = make_tracker(1)
    with pytest.raises(ValueError, match='nothing to compare: 0 trackers'):
        compare_trackers({}, sequences)
    with pytest.raises(ValueError, match='refer to one tracker object'):
        compare_trackers(dict(a=tracker, b=tracker), sequences)
    with pytest.raises(ValueError, match='same name: left, left'):
        compare_trackers(dict(a=tracker), sequences[:1] * 2)
    single = FrameSequence('one', sequences[0].frames[:1], sequences[0].boxes[:1])
    with pytest.raises(ValueError, match='second frame'):
        compare_trackers(dict(a=tracker), [single])
