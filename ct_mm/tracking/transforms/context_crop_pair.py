"""ContextCropPair: cuts LoRAT's training crops from two frames with boxes."""
from __future__ import annotations

import numpy as np

from ct_mm.registry import TRANSFORMS
from ct_mm.tracking.datasets.reading import BadFrameError
from ct_mm.tracking.runtime.context_crop import (
    CropPlace,
    clip_to_frame,
    context_place,
    crop_context,
    mean_colour,
)

from .pair_sides import PairTransform, pair_sides


@TRANSFORMS.register_module()
class ContextCropPair(PairTransform):
    """Cuts the template around its box and the search region around a jittered box, with context and a mean colour.

    The scale of the search crop is divided by ``exp(scale_jitter * n)``, with one normal draw n for each axis, so that
    the aspect changes too. The box's centre then moves from the middle of the crop by ``center_jitter * (w + h) / 2 *
    u`` crop pixels, where u is uniform in [-1, 1] for each axis, and w and h are the sides of the jittered box in the
    crop. Jitter is drawn again until the part of the box inside the crop has ``min_side`` pixels each way. The template
    is cut without jitter. Each crop is filled with the mean colour of its own frame. Source: LoRAT (arXiv 2403.05231),
    its authors' code.

    Replaces ``img`` of all sides by uint8 crops, and ``bbox`` by (4,) float32 xyxy in crop pixels, clipped to the crop.
    Returns None, so that the dataset draws another pair, if no jitter fits or a target lies outside of its image.

    Args:
        template_size: Side of the template in pixels. Defaults to 112.
        template_factor: Side of the template crop of a square box over the side of the box. Defaults to 2.0.
        search_size: Side of the search region in pixels. Defaults to 224.
        search_factor: Like ``template_factor``, for the search region. Defaults to 4.0.
        center_jitter: Range of the jitter of the centre. Defaults to 3.0.
        scale_jitter: Standard deviation of the logarithm of the jittered scale. Defaults to 0.25.
        min_side: Smallest side of the visible part of the target in the search crop, in pixels. Defaults to 10.
        max_tries: Number of draws of the jitter. Defaults to 12.

    Raises:
        ValueError: An argument is out of range; the message names it.

    Examples:
        >>> side = lambda: dict(img=np.zeros((90, 120, 3), np.uint8), bbox=np.array([40., 30., 20., 20.]))
        >>> results = dict(template=side(), search=side(), source=['a.jpg'], rng=np.random.default_rng(0))
        >>> cropped = ContextCropPair(center_jitter=0, scale_jitter=0)(results)
        >>> cropped['search']['img'].shape, cropped['search']['bbox'].round().tolist()
        ((224, 224, 3), [84.0, 84.0, 140.0, 140.0])
    """

    def __init__(self, template_size: int = 112, template_factor: float = 2.0, search_size: int = 224,
                 search_factor: float = 4.0, center_jitter: float = 3.0, scale_jitter: float = 0.25,
                 min_side: float = 10.0, max_tries: int = 12) -> None:
        if min(template_size, search_size) < 1 or min(template_factor, search_factor) <= 0:
            raise ValueError('ContextCropPair: template_size, search_size, template_factor and search_factor must be '
                             'positive')
        if min(center_jitter, scale_jitter) < 0 or min_side <= 0 or max_tries < 1:
            raise ValueError('ContextCropPair: center_jitter and scale_jitter must not be negative, min_side must be '
                             'positive, max_tries at least 1')
        self.template_size, self.template_factor = template_size, template_factor
        self.search_size, self.search_factor = search_size, search_factor
        self.center_jitter, self.scale_jitter = center_jitter, scale_jitter
        self.min_side, self.max_tries = min_side, max_tries

    def transform(self, results: dict) -> dict | None:
        """Crops all sides of the pair.

        Raises:
            BadFrameError: A box has no area; the message names the frame.
            OSError: A frame cannot be read; the message names it.
        """
        *templates, searched = sides = pair_sides(results)
        boxes = [self._clipped_box(side, results) for side in sides]  # (4,) xywh each
        if any((box[2:] <= 0).any() for box in boxes):
            return None
        place = self._jittered(boxes[-1], results['rng'])
        if place is None:
            return None
        places = [context_place(box, self.template_factor, self.template_size) for box in boxes[:-1]]
        for side, box in zip(templates, boxes):
            self._crop(side, box, places.pop(0), self.template_size)
        self._crop(searched, boxes[-1], place, self.search_size)
        return results

    def _jittered(self, box: np.ndarray, rng: np.random.Generator) -> CropPlace | None:
        """Returns the place of the search crop, or None if the target hardly shows in any drawn one."""
        wanted = context_place(box, self.search_factor, self.search_size)
        for _ in range(self.max_tries):
            scale = wanted.scale / np.exp(self.scale_jitter * rng.standard_normal(2))  # (2,)
            sides = box[2:] * scale  # (2,) of the target in the crop
            offset = self.center_jitter * sides.sum() / 2 * rng.uniform(-1, 1, 2)  # (2,)
            centre = self.search_size / 2 + offset
            inside = (np.minimum(centre + sides / 2, self.search_size) - np.maximum(centre - sides / 2, 0))
            if (inside >= self.min_side).all():
                return CropPlace(scale, centre - (box[:2] + box[2:] / 2) * scale)
        return None

    @staticmethod
    def _clipped_box(side: dict, results: dict) -> np.ndarray:
        """Returns the part of the box inside the frame, (4,) xywh."""
        box = np.asarray(side['bbox'], np.float64)
        if not np.isfinite(box).all() or (box[2:] <= 0).any():
            raise BadFrameError(f'the box {box.tolist()} (xywh) of {side.get("source", results["source"])} has no '
                                'area: correct the annotation or mark the frame as not visible')
        clipped = clip_to_frame(np.concatenate([box[:2], box[:2] + box[2:]]), side['img'].shape[:2])
        return np.concatenate([clipped[:2], clipped[2:] - clipped[:2]])

    @staticmethod
    def _crop(side: dict, box: np.ndarray, wanted: CropPlace, size: int) -> None:
        """Crops one side in place."""
        image = np.asarray(side['img'])
        crop, place = crop_context(image, wanted, size, mean_colour(image))
        corners = place.to_crop(np.concatenate([box[:2], box[:2] + box[2:]]))  # (4,) xyxy
        side['img'] = np.rint(crop).astype(np.uint8)
        side['bbox'] = np.clip(corners, 0, size).astype(np.float32)
