"""Tracks several targets in one video."""
from __future__ import annotations

import copy

import numpy as np

from ct_mm.tracking.runtime.geometry import check_target
from ct_mm.tracking.runtime.init_tracker import Tracker
from ct_mm.tracking.runtime.portable_tracker import PortableTracker


class MultiTracker:
    """Tracks several targets with one network: each target has its own state, and all share the weights.

    The network processes the targets one after the other, so the time is proportional to their number.

    Args:
        tracker: A tracker from ``init_tracker``, which is used for the first target.
    """

    def __init__(self, tracker: Tracker) -> None:
        self._trackers = [tracker]

    def __repr__(self) -> str:
        return f'MultiTracker({self._trackers[0]!r})'

    def init(self, image: np.ndarray, boxes: np.ndarray) -> None:
        """Starts on the targets.

        Args:
            image: First frame, RGB uint8 (H, W, 3).
            boxes: Targets in this frame, (N, 4), xywh in pixels, N > 0.

        Raises:
            ValueError: There is no box, or a box has no area or lies outside the image.
        """
        if len(boxes) == 0:
            raise ValueError('no targets to track')
        boxes = [check_target(box, image.shape[:2]) for box in boxes]
        first = self._trackers[0]
        self._trackers = [first, *(_twin(first) for _ in boxes[1:])]
        for tracker, box in zip(self._trackers, boxes):
            tracker.init(image, box)

    def track(self, image: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Finds the targets in the next frame.

        Args:
            image: Frame, RGB uint8 (H, W, 3), with the size of the first frame.

        Returns:
            Boxes (N, 4) float64, xywh in pixels, and scores (N,).
        """
        boxes, scores = zip(*(tracker.track(image) for tracker in self._trackers))
        return np.array(boxes, dtype=np.float64), np.array(scores, dtype=np.float64)


def _twin(tracker: Tracker) -> Tracker:
    """Returns a tracker with the same weights and its own state."""
    if isinstance(tracker, PortableTracker):
        return PortableTracker(tracker.session)
    # Copy everything else, since any attribute, list or buffer inside can be state.
    parameters = getattr(tracker, 'parameters', tuple)()
    return copy.deepcopy(tracker, {id(parameter): parameter for parameter in parameters})
