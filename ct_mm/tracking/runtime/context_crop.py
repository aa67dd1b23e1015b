"""Square crops that keep the context of an elongated target, aligned to whole pixels and filled with a mean colour.

The arithmetic matches the released LoRAT code, because the pretrained weights were trained on these pixels. Boxes are
continuous: the right edge of a box is x + w.

References:
    LoRAT, arXiv 2403.05231; SiamFC, arXiv 1606.09549 (the context).
"""
from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

#: A box counts as touching a pixel (or a token) at its far end if it covers more than this part of it.
TOUCH = 1e-4


@dataclass(frozen=True, eq=False)
class CropPlace:
    """Where a crop lies: ``crop = image * scale + shift`` for x and y.

    Args:
        scale: Crop pixels per image pixel, (2,) x and y.
        shift: Position of the image's corner in the crop, (2,) x and y.
    """

    scale: np.ndarray
    shift: np.ndarray

    def to_crop(self, box: np.ndarray) -> np.ndarray:
        """Maps boxes (..., 4), xyxy in image pixels, to crop pixels."""
        return np.asarray(box, np.float64) * np.tile(self.scale, 2) + np.tile(self.shift, 2)

    def to_image(self, box: np.ndarray) -> np.ndarray:
        """Maps boxes (..., 4), xyxy in crop pixels, to image pixels."""
        return (np.asarray(box, np.float64) - np.tile(self.shift, 2)) / np.tile(self.scale, 2)


def context_place(box_xywh, area_factor: float, size: int) -> CropPlace:
    """Computes the crop around a box: for a square box, ``area_factor`` times as wide as the box.

    With c = (area_factor - 1) (w + h) / 2, the crop shows an area of (w + c) (h + c).

    Args:
        box_xywh: (4,) box in image pixels; it may lie partly or wholly outside of the image.
        area_factor: Side of the crop of a square box over the side of the box.
        size: Side of the crop in pixels.

    Returns:
        The wanted place, with the same scale in x and y.

    Raises:
        ValueError: If the box is not finite, or a side is not positive.

    Examples:
        >>> context_place([10, 10, 20, 20], area_factor=2, size=80).scale
        array([2., 2.])
    """
    x, y, w, h = box = np.asarray(box_xywh, np.float64)
    if not np.isfinite(box).all() or w <= 0 or h <= 0:
        raise ValueError(f'cannot crop around the box {box.tolist()} (xywh): w and h must be positive and all values '
                         'finite')
    context = (area_factor - 1) * (w + h) / 2
    scale = np.full(2, size / np.sqrt((w + context) * (h + context)))
    return CropPlace(scale, size / 2 - np.array([x + w / 2, y + h / 2]) * scale)


def crop_context(image: np.ndarray, place: CropPlace, size: int, fill: np.ndarray) -> tuple[np.ndarray, CropPlace]:
    """Cuts whole pixels of the image, resizes them bilinearly into whole pixels of the crop, and fills the rest.

    The part of the crop that shows the image is rounded outward to whole pixels, carried back to the image and rounded
    outward again. The place is then computed anew from these two rectangles, so that it is exact.

    Args:
        image: (H, W, 3) uint8.
        place: The wanted place.
        size: Side of the crop in pixels.
        fill: Colour outside of the image, (3,) in 0..255.

    Returns:
        The crop (size, size, 3) float32 in 0..255, and its exact place (float32 numbers). If the crop does not overlap
        the image, it is filled, and the place is the wanted one.

    Examples:
        >>> image = np.full((8, 8, 3), 9, np.uint8)
        >>> crop, place = crop_context(image, context_place([0, 0, 4, 4], 2, 8), 8, np.zeros(3))
        >>> crop[..., 0].mean(), place.shift.tolist()
        (np.float32(5.0625), [2.0, 2.0])
    """
    crop = np.empty((size, size, 3), np.float32)
    crop[:] = fill
    sides = np.array([image.shape[1], image.shape[0]])
    inner = _outward(place.to_crop(np.concatenate([np.zeros(2), sides])), size)  # (4,) whole crop pixels
    outer = _outward(place.to_image(inner), sides)  # (4,) whole image pixels
    if (inner[2:] <= inner[:2]).any() or (outer[2:] <= outer[:2]).any():
        return crop, place
    (x1, y1, x2, y2), (u1, v1, u2, v2) = outer, inner
    piece = image[y1:y2, x1:x2].astype(np.float32)  # OpenCV resizes 8-bit images in fixed point
    crop[v1:v2, u1:u2] = cv2.resize(piece, (int(u2 - u1), int(v2 - v1)), interpolation=cv2.INTER_LINEAR)
    scale = np.float32(inner[2:] - inner[:2]) / np.float32(outer[2:] - outer[:2])
    return crop, CropPlace(scale, np.float32(inner[:2]) - np.float32(outer[:2]) * scale)


def _outward(box: np.ndarray, sides: int | np.ndarray) -> np.ndarray:
    """Clips a box (4,) xyxy to an image of these sides and rounds it outward to whole pixels."""
    low, high = np.clip(box[:2], 0, sides), np.clip(box[2:], 0, sides)
    return np.concatenate([np.floor(low), np.floor(high + 1 - TOUCH)]).astype(int)


def at_least(box_xywh: np.ndarray, side: float) -> np.ndarray:
    """Raises the sides of a box (4,) xywh to a number of pixels, about its centre."""
    box = np.asarray(box_xywh, np.float64)
    sides = np.maximum(box[2:], side)
    return np.concatenate([box[:2] + (box[2:] - sides) / 2, sides])


def mean_colour(image: np.ndarray) -> np.ndarray:
    """Returns the mean colour of an image (H, W, 3) uint8, (3,) float32 in 0..255."""
    return image.reshape(-1, image.shape[2]).mean(0).astype(np.float32)


def clip_to_frame(box_xyxy: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Clips a box (4,) xyxy to a frame of (height, width), without a margin: the result may be empty."""
    return np.clip(box_xyxy, 0, [size[1], size[0]] * 2)
