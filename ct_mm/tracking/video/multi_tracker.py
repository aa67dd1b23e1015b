"""Tracks several targets in one video."""
from __future__ import annotations

import copy

import numpy as np

from ct_mm.tracking.runtime.geometry import check_target
from ct_mm.tracking.runtime.init_tracker import Tracker
from ct_mm.tracking.runtime.looping_tracker import LoopingTracker
from ct_mm.tracking.runtime.tracking_loop import TrackingLoop, TrackState


class MultiTracker:
    """Tracks several targets with one network: each target has its own state, and all share the weights.

    The network processes all targets of a frame in one call if it takes a batch: a PyTorch tracker, or a file that was
    exported with ``--batch dynamic``. Otherwise the time is proportional to their number.

    Args:
        tracker: A tracker from ``init_tracker``.
    """

    def __init__(self, tracker: Tracker) -> None:
        self._tracker = tracker
        self._loop: TrackingLoop | None = None
        self._states: list[TrackState] = []
        self._twins: list[Tracker] = [tracker]  # used by trackers with an init and a track of their own

    def __repr__(self) -> str:
        return f'MultiTracker({self._tracker!r})'

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
        if _runs_the_loop(self._tracker):
            self._loop = self._tracker.make_loop()
            self._states = [self._loop.start(image, box) for box in boxes]
            return
        self._twins = [self._tracker, *(_twin(self._tracker) for _ in boxes[1:])]
        for tracker, box in zip(self._twins, boxes):
            tracker.init(image, box)

    def track(self, image: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Finds the targets in the next frame.

        Args:
            image: Frame, RGB uint8 (H, W, 3), with the size of the first frame.

        Returns:
            Boxes (N, 4) float64, xywh in pixels, and scores (N,).
        """
        if self._loop is not None:
            found = self._loop.step_all(self._states, image)
            return np.array([each.box for each in found]), np.array([each.score for each in found])
        boxes, scores = zip(*(tracker.track(image) for tracker in self._twins))
        return np.array(boxes, dtype=np.float64), np.array(scores, dtype=np.float64)


def _runs_the_loop(tracker: Tracker) -> bool:
    kind, loop = type(tracker), LoopingTracker
    return isinstance(tracker, loop) and kind.init is loop.init and kind.track is loop.track


def _twin(tracker: Tracker) -> Tracker:
    """Returns a tracker with the same weights and its own state."""
    # Copy everything else, since any attribute, list or buffer inside can be state.
    parameters = getattr(tracker, 'parameters', tuple)()
    return copy.deepcopy(tracker, {id(parameter): parameter for parameter in parameters})
