"""What every geometry offers: how crops are cut, and where their boxes lie in the frame."""
from __future__ import annotations

from typing import Any, NamedTuple, Protocol

import numpy as np


class Template(NamedTuple):
    """A template crop.

    Args:
        image: RGB (T, T, 3), in the geometry's ``dtype``.
        mask: Which of its tokens show the target, (G, G) float32, or None if the network takes no mask.
    """

    image: np.ndarray
    mask: np.ndarray | None = None


class Geometry(Protocol):
    """Cuts the crops that a network sees, and places the boxes that it returns. It has no state."""

    kind: str
    dtype: str
    template_size: int
    search_size: int

    @property
    def mask_size(self) -> int | None:
        """Side of a template mask in tokens, or None."""

    def start(self, image: np.ndarray) -> Any:
        """Returns what is kept of the first frame, RGB uint8 (H, W, 3), for all later crops."""

    def template(self, image: np.ndarray, box: np.ndarray, anchor: Any) -> Template:
        """Cuts a template around a box, (4,) xywh in pixels of the frame."""

    def search(self, image: np.ndarray, box: np.ndarray, anchor: Any) -> tuple[np.ndarray, Any]:
        """Cuts the search region (S, S, 3) around a box; also returns its placement, for ``place``."""

    def place(self, box: np.ndarray, placement: Any, size: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
        """Maps a box from the search region to the frame.

        Args:
            box: (4,) cxcywh, normalised to the search region.
            placement: From ``search``.
            size: Height and width of the frame.

        Returns:
            The box to report and the box to search around in the next frame, both (4,) float64 xywh in pixels.
        """

    def to_data(self) -> dict:
        """Returns the geometry as plain data, for the card of an exported file."""
