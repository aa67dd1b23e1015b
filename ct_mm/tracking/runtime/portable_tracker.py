"""A tracker for exported networks; requires only numpy, OpenCV and the runtime of the network."""
from __future__ import annotations

from typing import Protocol

import numpy as np

from ct_mm.tracking.runtime.crop import crop_square
from ct_mm.tracking.runtime.geometry import check_frame, check_target, place_box
from ct_mm.tracking.runtime.model_card import ModelCard


class Session(Protocol):
    """A network loaded by an inference runtime."""

    card: ModelCard
    precision: str

    def __call__(self, template: np.ndarray, search: np.ndarray) -> tuple[np.ndarray, float]:
        """Maps two RGB uint8 (1, S, S, 3) crops to a box (4,), cxcywh normalised to the search region, and a score."""


class PortableTracker:
    """Tracks with an exported network, with the interface of a PyTorch tracker: ``init``, then ``track`` per frame.

    Args:
        session: The loaded network.

    Examples:
        >>> card = ModelCard('Still', 8, 16, 2.0, 4.0, (0, 0, 0), (1, 1, 1))
        >>> class Still:
        ...     def __call__(self, template, search):
        ...         return np.array([0.5, 0.5, 0.25, 0.25]), 0.9  # the target has not moved
        >>> session = Still()
        >>> session.card = card
        >>> tracker = PortableTracker(session)
        >>> image = np.zeros((90, 120, 3), np.uint8)
        >>> tracker.init(image, np.array([30, 20, 40, 40]))
        >>> box, score = tracker.track(image)
        >>> box.tolist(), score
        ([30.0, 20.0, 40.0, 40.0], 0.9)
    """

    def __init__(self, session: Session) -> None:
        self.session, self.card = session, session.card
        self._template: np.ndarray | None = None  # (1, St, St, 3)
        self._box: np.ndarray | None = None  # (4,), xywh in pixels of the last frame
        self._size: tuple[int, int] | None = None  # height and width of the frames

    @property
    def precision(self) -> str:
        """The precision in which the network computes."""
        return self.session.precision

    def __repr__(self) -> str:
        return f'PortableTracker({self.session!r}, {self.card.tracker}, layers={self.card.layers})'

    def init(self, image: np.ndarray, box: np.ndarray) -> None:
        """Starts on a target.

        Args:
            image: First frame, RGB uint8 (H, W, 3).
            box: The target in it, xywh in pixels.

        Raises:
            ValueError: If the image has another type or shape, or the box has no area or lies outside the image.
        """
        check_frame(image)
        box = check_target(box, image.shape[:2])
        crop, _ = crop_square(image, box, self.card.template_factor, self.card.template_size)
        self._template, self._box, self._size = crop[None], box, image.shape[:2]

    def track(self, image: np.ndarray) -> tuple[np.ndarray, float]:
        """Finds the target in the next frame.

        Args:
            image: RGB uint8 (H, W, 3), of the same size as the first frame.

        Returns:
            The box, (4,) float64 xywh in pixels, and the score in [0, 1].

        Raises:
            RuntimeError: If ``init`` was not called.
            ValueError: If the image has another type, shape or size.
        """
        if self._box is None:
            raise RuntimeError('call init(image, box) with the first frame before track(image)')
        check_frame(image, self._size)
        crop, scale = crop_square(image, self._box, self.card.search_factor, self.card.search_size)
        box, score = self.locate(crop)
        self._box = place_box(box, self._box, self.card.search_size / scale, self._size, self.card.margin)
        return self._box.copy(), score

    def look_at(self, box: np.ndarray) -> None:
        """Corrects the position of the target in the last frame.

        Args:
            box: xywh in pixels.

        Raises:
            RuntimeError: If ``init`` was not called.
            ValueError: If the box has no area or lies outside the frame.
        """
        if self._size is None:
            raise RuntimeError('call init(image, box) with the first frame before look_at(box)')
        self._box = check_target(box, self._size)

    def locate(self, crop: np.ndarray) -> tuple[np.ndarray, float]:
        """Finds the target in a search region.

        Args:
            crop: The search region, RGB uint8 (Hs, Ws, 3).

        Returns:
            The box (4,), cxcywh normalised to the search region, and the score in [0, 1].
        """
        return self.session(self._template, crop[None])
