"""Noise that nobody sees, the same for the same seed."""
import numpy as np

from ct_mm.deployment.int8.comparable_trackers import PerturbedTracker


class Recorder:
    """A tracker that keeps what it sees."""

    def __init__(self):
        self.seen = []

    def init(self, image, box):
        self.seen.append(image)

    def track(self, image):
        self.seen.append(image)
        return np.zeros(4), 1.0


def frames_seen(image, seed):
    recorder = Recorder()
    tracker = PerturbedTracker(recorder, seed)
    tracker.init(image, np.zeros(4))
    tracker.track(image)
    return recorder.seen


def test_no_value_moves_by_more_than_one_or_wraps_around(image):
    image[:2] = np.array([0, 255], np.uint8).reshape(2, 1, 1)
    for frame in frames_seen(image, 1):
        assert frame.dtype == np.uint8
        assert set(np.unique(frame.astype(int) - image)) == {-1, 0, 1}


def test_the_seed_decides(image):
    first, again, other = (frames_seen(image, seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first[0], other[0]) and not np.array_equal(first[0], first[1])
