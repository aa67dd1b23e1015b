"""Several targets in one video."""
from __future__ import annotations

import copy

import numpy as np

from ct_mm.tracking.runtime.geometry import check_target
from ct_mm.tracking.runtime.init_tracker import Tracker
from ct_mm.tracking.runtime.portable_tracker import PortableTracker


class MultiTracker:
    """Follows several targets with one network: each has a state of its own, all share the weights.

    The targets go through the network one after the other, so twice as many take twice as long.

    Args:
        tracker: A tracker from ``init_tracker``. It becomes that of the first target.
    """

    def __init__(self, tracker: Tracker) -> None:
        self._trackers = [tracker]

    def __repr__(self) -> str:
        return f'MultiTracker({self._trackers[0]!r})'

    def init(self, image: np.ndarray, boxes: np.ndarray) -> None:
        """Starts on targets.

        Args:
            image: First frame, RGB uint8 (H, W, 3).
            boxes: (N, 4) xywh in pixels, N > 0.

        Raises:
            ValueError: There is no box, or one has no area or lies outside of the image.
        """
        if len(boxes) == 0:
            raise ValueError('there is no target to track')
        boxes = [check_target(box, image.shape[:2]) for box in boxes]
        first = self._trackers[0]
        self._trackers = [first, *(_twin(first) for _ in boxes[1:])]
        for tracker, box in zip(self._trackers, boxes):
            tracker.init(image, box)

    def track(self, image: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Finds them in the next frame.

        Args:
            image: RGB uint8 (H, W, 3), of the first frame's size.

        Returns:
            Boxes (N, 4) float64, xywh in pixels, and scores (N,).
        """
        boxes, scores = zip(*(tracker.track(image) for tracker in self._trackers))
        return np.array(boxes, dtype=np.float64), np.array(scores, dtype=np.float64)


def _twin(tracker: Tracker) -> Tracker:
    """A tracker with the same weights and a state of its own."""
    if isinstance(tracker, PortableTracker):
        return PortableTracker(tracker.session)
    # Everything else may be state: not only attributes, also lists and buffers anywhere inside.
    parameters = getattr(tracker, 'parameters', tuple)()
    return copy.deepcopy(tracker, {id(parameter): parameter for parameter in parameters})
