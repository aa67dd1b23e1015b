"""A tracker that sees each frame with a trace of noise: how much of a difference between two trackers is chance?"""
from __future__ import annotations

import numpy as np

from ct_mm.tracking.runtime.init_tracker import Tracker


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
