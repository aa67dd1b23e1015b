"""Wrappers that isolate the effect of quantisation: one follows another's track, one adds noise to the frames."""
from __future__ import annotations

import numpy as np

from ct_mm.tracking.runtime.init_tracker import Tracker
from ct_mm.tracking.runtime.portable_tracker import PortableTracker


class FollowingTracker:
    """Searches each frame around the box that a leading tracker found in the previous frame.

    Its boxes therefore differ from the leader's only because the networks differ, not because the tracks have drifted
    apart.

    Args:
        tracker: An exported tracker.
        leader: Any tracker; it must not be used elsewhere.
    """

    def __init__(self, tracker: PortableTracker, leader: Tracker) -> None:
        self.tracker, self.leader = tracker, leader
        self._box: np.ndarray | None = None  # (4,), the leader's last box, xywh in pixels

    def init(self, image: np.ndarray, box: np.ndarray) -> None:
        """Starts both trackers on the target, a box xywh in pixels."""
        self.tracker.init(image, box)
        self.leader.init(image, box)
        self._box = None

    def track(self, image: np.ndarray) -> tuple[np.ndarray, float]:
        """Returns the tracker's box (4,), xywh in pixels, and score in the next frame."""
        if self._box is not None:
            self.tracker.look_at(self._box)
        found = self.tracker.track(image)
        self._box = self.leader.track(image)[0]
        return found


class PerturbedTracker:
    """Adds invisible noise to each frame, at most one grey level per value, before passing it to the tracker.

    Each box determines the next search region, so a rounding error can send a nearly undecided tracker elsewhere.
    A difference between trackers that is smaller than the effect of this noise is not evidence against quantisation.

    Args:
        tracker: Any tracker.
        seed: Seed of the noise.
    """

    def __init__(self, tracker: Tracker, seed: int) -> None:
        self.tracker, self._rng = tracker, np.random.default_rng(seed)

    def init(self, image: np.ndarray, box: np.ndarray) -> None:
        """Starts the tracker on the target, a box xywh in pixels."""
        self.tracker.init(self._perturbed(image), box)

    def track(self, image: np.ndarray) -> tuple[np.ndarray, float]:
        """Returns the tracker's box (4,), xywh in pixels, and score in the next frame."""
        return self.tracker.track(self._perturbed(image))

    def _perturbed(self, image: np.ndarray) -> np.ndarray:
        noise = self._rng.integers(-1, 2, image.shape, np.int8)
        return np.clip(image + noise.astype(np.int16), 0, 255).astype(np.uint8)
