"""The interface of a tracker of one target, on top of the loop."""
from __future__ import annotations

import numpy as np

from ct_mm.tracking.runtime.geometry import check_target
from ct_mm.tracking.runtime.tracking_loop import TrackingLoop, TrackState


class LoopingTracker:
    """Gives a class with ``make_loop`` the methods of a tracker: ``init``, then ``track`` for each frame."""

    loop: TrackingLoop | None = None
    state: TrackState | None = None

    def make_loop(self) -> TrackingLoop:
        """Returns the loop to run, with the network as it is now."""
        raise NotImplementedError

    def init(self, image: np.ndarray, box: np.ndarray) -> None:
        """Starts on a target.

        Args:
            image: First frame, RGB uint8 (H, W, 3).
            box: The target in it, (4,) xywh in pixels.

        Raises:
            ValueError: If the image has another type or shape, or the box has no area or lies outside the image.
        """
        self.loop = self.make_loop()
        self.state = self.loop.start(image, box)

    def track(self, image: np.ndarray) -> tuple[np.ndarray, float]:
        """Finds the target in the next frame.

        Args:
            image: RGB uint8 (H, W, 3), of the same size as the first frame.

        Returns:
            The box, (4,) float64 xywh in pixels, and the score in [0, 1].

        Raises:
            RuntimeError: If ``init`` was not called.
            ValueError: If the image has another type, shape or size, or the network returns no finite numbers.
        """
        state = self._started('track(image)')
        result = self.loop.step(state, image)
        return result.box, result.score

    def look_at(self, box: np.ndarray) -> None:
        """Corrects the position of the target in the last frame.

        Args:
            box: (4,) xywh in pixels.

        Raises:
            RuntimeError: If ``init`` was not called.
            ValueError: If the box has no area or lies outside the frame.
        """
        state = self._started('look_at(box)')
        state.box = check_target(box, state.size)

    def locate(self, crop: np.ndarray) -> tuple[np.ndarray, float]:
        """Finds the target in a search region, and changes nothing.

        Args:
            crop: The search region (S, S, 3).

        Returns:
            The box (4,), cxcywh normalised to the search region, and the score in [0, 1].

        Raises:
            RuntimeError: If ``init`` was not called.
        """
        state = self._started('locate(crop)')
        return self.loop.locate(state, crop)

    def _started(self, call: str) -> TrackState:
        if self.state is None:
            raise RuntimeError(f'call init(image, box) with the first frame before {call}')
        return self.state
