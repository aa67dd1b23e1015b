"""A tracker around an exported network; needs numpy, OpenCV and the network's own runtime, nothing else."""
from __future__ import annotations

from typing import Protocol

import numpy as np

from ct_mm.tracking.runtime.crop import crop_square
from ct_mm.tracking.runtime.geometry import check_frame, check_target, place_box
from ct_mm.tracking.runtime.model_card import ModelCard


class Session(Protocol):
    """A network loaded by one of the runtimes."""

    card: ModelCard
    precision: str

    def __call__(self, template: np.ndarray, search: np.ndarray) -> tuple[np.ndarray, float]:
        """RGB uint8 (1, S, S, 3) each -> box (4,), cxcywh normalised to the search region, and score."""


class PortableTracker:
    """Same calls as a tracker in PyTorch: ``init`` on a target, then ``track`` frame by frame.

    Args:
        session: The network.
    """

    def __init__(self, session: Session) -> None:
        self.session, self.card = session, session.card
        self._template: np.ndarray | None = None  # (1, St, St, 3)
        self._box: np.ndarray | None = None  # (4,), xywh in pixels of the last frame
        self._size: tuple[int, int] | None = None  # height and width of the frames

    @property
    def precision(self) -> str:
        """What the network computes in."""
        return self.session.precision

    def __repr__(self) -> str:
        return f'PortableTracker({self.session!r}, {self.card.tracker}, layers={self.card.layers})'

    def init(self, image: np.ndarray, box: np.ndarray) -> None:
        """Starts on a target.

        Args:
            image: First frame, RGB uint8 (H, W, 3).
            box: The target there, xywh in pixels.

        Raises:
            ValueError: The image is no such array, or the box has no area or lies outside of it.
        """
        check_frame(image)
        box = check_target(box, image.shape[:2])
        crop, _ = crop_square(image, box, self.card.template_factor, self.card.template_size)
        self._template, self._box, self._size = crop[None], box, image.shape[:2]

    def track(self, image: np.ndarray) -> tuple[np.ndarray, float]:
        """Finds the target in the next frame.

        Args:
            image: RGB uint8 (H, W, 3), of the first frame's size.

        Returns:
            The box, (4,) float64 xywh in pixels, and the score in [0, 1].

        Raises:
            RuntimeError: ``init`` was not called.
            ValueError: The image is no such array, or of another size.
        """
        if self._box is None:
            raise RuntimeError('call init(image, box) with the first frame before track(image)')
        check_frame(image, self._size)
        crop, scale = crop_square(image, self._box, self.card.search_factor, self.card.search_size)
        box, score = self.locate(crop)
        self._box = place_box(box, self._box, self.card.search_size / scale, self._size, self.card.margin)
        return self._box.copy(), score

    def look_at(self, box: np.ndarray) -> None:
        """Says where the target was in the last frame, if that is known better.

        Args:
            box: xywh in pixels.

        Raises:
            RuntimeError: ``init`` was not called.
            ValueError: The box has no area or lies outside of the frames.
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
