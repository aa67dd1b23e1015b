"""Square crops around the target, padded with black."""
from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, ClassVar, NamedTuple

import numpy as np

from ct_mm.tracking.runtime.crop import box_to_crop, crop_square
from ct_mm.tracking.runtime.fields import check_number, check_whole
from ct_mm.tracking.runtime.geometries.geometry import Template
from ct_mm.tracking.runtime.geometry import place_box
from ct_mm.tracking.runtime.template_mask import fraction_mask


class Placement(NamedTuple):
    """Where a search region lies: around ``around`` (4,) xywh in pixels, ``side`` pixels of the frame long."""

    around: np.ndarray
    side: float


@dataclass(frozen=True)
class SquareCrops:
    """Crops of ``factor`` times the geometric mean of the box's sides, as OSTrack and its successors cut them.

    Args:
        template_size: Side of the template in pixels.
        search_size: Side of the search region in pixels.
        template_factor: Side of the template crop divided by the geometric mean of the target's sides.
        search_factor: The same ratio for the search region.
        margin: Minimum width and height of a box in pixels, and of its part inside the frame.
        mask_cell: Side in pixels of the cells of a template mask, each of which is the part of its pixels in the
            target's box (:func:`fraction_mask`). Default: None, no mask.

    Raises:
        ValueError: A value is out of range, or ``mask_cell`` does not divide ``template_size``.

    Examples:
        >>> geometry = SquareCrops(template_size=32, search_size=64)
        >>> image, box = np.zeros((90, 120, 3), np.uint8), np.array([30., 20, 40, 40])
        >>> crop, placement = geometry.search(image, box, geometry.start(image))
        >>> crop.shape, geometry.place(np.array([0.5, 0.5, 0.25, 0.25]), placement, image.shape[:2])[0].tolist()
        ((64, 64, 3), [30.0, 20.0, 40.0, 40.0])
    """

    template_size: int
    search_size: int
    template_factor: float = 2.0
    search_factor: float = 4.0
    margin: float = 10.0
    mask_cell: int | None = None
    kind: ClassVar[str] = 'square'
    dtype: ClassVar[str] = 'uint8'

    def __post_init__(self) -> None:
        for name in ('template_size', 'search_size'):
            check_whole(name, getattr(self, name), 1, 2048)
        for name in ('template_factor', 'search_factor'):
            check_number(name, getattr(self, name), 1e-3, 1e3)
        check_number('margin', self.margin, 0, 1e6)
        if self.mask_cell is not None:
            check_whole('mask_cell', self.mask_cell, 1, self.template_size)
            if self.template_size % self.mask_cell:
                raise ValueError(f'mask_cell={self.mask_cell} does not divide template_size={self.template_size}')

    @property
    def mask_size(self) -> int | None:
        """Side of a template mask in tokens, or None."""
        return None if self.mask_cell is None else self.template_size // self.mask_cell

    def start(self, image: np.ndarray) -> None:
        """Returns None: nothing of the first frame is needed later."""

    def template(self, image: np.ndarray, box: np.ndarray, anchor: Any = None) -> Template:
        """Cuts a template around a box, (4,) xywh in pixels."""
        crop, factor = crop_square(image, box, self.template_factor, self.template_size)
        if self.mask_cell is None:
            return Template(crop)
        inside = box_to_crop(box, box, factor, self.template_size)  # (4,) xywh in pixels of the crop
        # Divided by the side less one, as the networks with masks were trained.
        return Template(crop, fraction_mask(inside / (self.template_size - 1), self.template_size, self.mask_cell))

    def search(self, image: np.ndarray, box: np.ndarray, anchor: Any = None) -> tuple[np.ndarray, Placement]:
        """Cuts the search region (S, S, 3) around a box, (4,) xywh in pixels."""
        crop, factor = crop_square(image, box, self.search_factor, self.search_size)
        return crop, Placement(box, self.search_size / factor)

    def place(self, box: np.ndarray, placement: Placement, size: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
        """Maps a box (4,), cxcywh normalised to the search region, to the frame and clips it; see :class:`Geometry`."""
        placed = place_box(box, placement.around, placement.side, size, self.margin)
        return placed, placed

    def to_data(self) -> dict:
        """Returns the geometry as plain data."""
        return dict(type=self.kind, **asdict(self))
