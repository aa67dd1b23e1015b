"""Crops that keep the context of an elongated target, aligned to pixels and filled with a mean colour."""
from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import ClassVar, NamedTuple

import numpy as np

from ct_mm.tracking.runtime.context_crop import (
    CropPlace,
    at_least,
    clip_to_frame,
    context_place,
    crop_context,
    mean_colour,
)
from ct_mm.tracking.runtime.fields import check_number, check_whole
from ct_mm.tracking.runtime.geometries.geometry import Template
from ct_mm.tracking.runtime.template_mask import touched_mask


class Placement(NamedTuple):
    """Where a search region lies, and the box (4,) xywh in pixels around which it was cut."""

    place: CropPlace
    around: np.ndarray


@dataclass(frozen=True)
class ContextCrops:
    """Crops of LoRAT. Boxes are clipped to the frame without a margin.

    A search region is cut around the last box, its sides raised to ``min_side``, and filled with the mean colour of the
    first frame. A box that is empty after clipping is reported, but the next frame is searched around the last one that
    was not.

    Args:
        template_size: Side of the template in pixels.
        search_size: Side of the search region in pixels.
        template_factor: Side of the template crop of a square target divided by the target's side.
        search_factor: The same ratio for the search region.
        mask_cell: Side in pixels of the cells of the template mask, which is 1 where the target's box touches a cell.
        min_side: Smallest side of the box around which a search region is cut, in pixels of the frame.

    Raises:
        ValueError: A value is out of range, or ``mask_cell`` does not divide ``template_size``.

    Examples:
        >>> geometry = ContextCrops(template_size=56, search_size=112)
        >>> image, box = np.zeros((90, 120, 3), np.uint8), np.array([40., 25, 20, 20])
        >>> crop, placement = geometry.search(image, box, geometry.start(image))
        >>> crop.shape, geometry.place(np.array([0.5, 0.5, 0.25, 0.25]), placement, image.shape[:2])[0].round().tolist()
        ((112, 112, 3), [40.0, 25.0, 20.0, 20.0])
    """

    template_size: int
    search_size: int
    template_factor: float = 2.0
    search_factor: float = 4.0
    mask_cell: int = 14
    min_side: float = 10.0
    kind: ClassVar[str] = 'context'
    dtype: ClassVar[str] = 'float32'

    def __post_init__(self) -> None:
        for name in ('template_size', 'search_size'):
            check_whole(name, getattr(self, name), 1, 2048)
        for name in ('template_factor', 'search_factor'):
            check_number(name, getattr(self, name), 1e-3, 1e3)
        check_number('min_side', self.min_side, 1e-3, 1e6)
        check_whole('mask_cell', self.mask_cell, 1, self.template_size)
        if self.template_size % self.mask_cell:
            raise ValueError(f'mask_cell={self.mask_cell} does not divide template_size={self.template_size}')

    @property
    def mask_size(self) -> int:
        """Side of a template mask in tokens."""
        return self.template_size // self.mask_cell

    def start(self, image: np.ndarray) -> np.ndarray:
        """Returns the mean colour of the first frame, (3,) float32."""
        return mean_colour(image)

    def template(self, image: np.ndarray, box: np.ndarray, anchor: np.ndarray) -> Template:
        """Cuts a template and its mask around a box, (4,) xywh in pixels."""
        wanted = context_place(box, self.template_factor, self.template_size)
        crop, place = crop_context(image, wanted, self.template_size, anchor)
        inside = place.to_crop(np.concatenate([box[:2], box[:2] + box[2:]]))  # (4,) xyxy
        return Template(crop, touched_mask(inside, self.template_size, self.mask_cell))

    def search(self, image: np.ndarray, box: np.ndarray, anchor: np.ndarray) -> tuple[np.ndarray, Placement]:
        """Cuts the search region (S, S, 3) around a box, (4,) xywh in pixels."""
        wanted = context_place(at_least(box, self.min_side), self.search_factor, self.search_size)
        crop, place = crop_context(image, wanted, self.search_size, anchor)
        return crop, Placement(place, box)

    def place(self, box: np.ndarray, placement: Placement, size: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
        """Maps a box (4,), cxcywh normalised to the search region, to the frame and clips it; see :class:`Geometry`."""
        box = np.asarray(box, np.float64) * self.search_size
        corners = np.concatenate([box[:2] - box[2:] / 2, box[:2] + box[2:] / 2])  # (4,) xyxy
        x1, y1, x2, y2 = clip_to_frame(placement.place.to_image(corners), size)
        placed = np.array([x1, y1, x2 - x1, y2 - y1])
        return placed, placed if min(placed[2:]) > 0 else placement.around

    def to_data(self) -> dict:
        """Returns the geometry as plain data."""
        return dict(type=self.kind, **asdict(self))
