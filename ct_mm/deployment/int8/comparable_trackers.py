"""Trackers that tell what a quantisation changes: one follows another's track, one sees a trace of noise."""
from __future__ import annotations

import numpy as np

from ct_mm.tracking.runtime.init_tracker import Tracker
from ct_mm.tracking.runtime.portable_tracker import PortableTracker


class FollowingTracker:
    """Searches each frame around the box that its leader found in the frame before.

    Its boxes differ from the leader's by what the networks differ in, and not by where small differences have led it.

    Args:
        tracker: An exported tracker.
        leader: Any tracker, used by this one alone.
    """

    def __init__(self, tracker: PortableTracker, leader: Tracker) -> None:
        self.tracker, self.leader = tracker, leader
        self._box: np.ndarray | None = None  # (4,), xywh in pixels: the leader's

    def init(self, image: np.ndarray, box: np.ndarray) -> None:
        """As the tracker's."""
        self.tracker.init(image, box)
        self.leader.init(image, box)
        self._box = None

    def track(self, image: np.ndarray) -> tuple[np.ndarray, float]:
        """As the tracker's."""
        if self._box is not None:
            self.tracker.look_at(self._box)
        found = self.tracker.track(image)
        self._box = self.leader.track(image)[0]
        return found


class PerturbedTracker:
    """Changes each value of a frame by at most one grey level, which nobody sees, before the tracker gets it.

    A track feeds on itself: where a tracker is nearly undecided, the last digit decides where it looks next. A
    difference smaller than what this noise makes says nothing about a quantisation.

    Args:
        tracker: Any tracker.
        seed: Of the noise.
    """

    def __init__(self, tracker: Tracker, seed: int) -> None:
        self.tracker, self._rng = tracker, np.random.default_rng(seed)

    def init(self, image: np.ndarray, box: np.ndarray) -> None:
        """As the tracker's."""
        self.tracker.init(self._perturbed(image), box)

    def track(self, image: np.ndarray) -> tuple[np.ndarray, float]:
        """As the tracker's."""
        return self.tracker.track(self._perturbed(image))

    def _perturbed(self, image: np.ndarray) -> np.ndarray:
        noise = self._rng.integers(-1, 2, image.shape, np.int8)
        return np.clip(image + noise.astype(np.int16), 0, 255).astype(np.uint8)
