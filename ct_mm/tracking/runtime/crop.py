"""Square crops around a box, and the mapping of boxes to a crop and back: pure functions.

The arithmetic matches the released OSTrack and CompressTracker code bit for bit, including its quirks, because the
pretrained weights were trained on exactly these pixels.
"""
import math

import cv2
import numpy as np


def crop_window(box_xywh, area_factor: float) -> tuple[int, int, int]:
    """Computes the square crop around a box; its side is ``ceil(sqrt(w * h) * area_factor)``.

    Args:
        box_xywh: (4,) box in image pixels; it may lie partly or wholly outside of the image.
        area_factor: Side of the crop over the geometric mean of the box's sides.

    Returns:
        Left border, upper border and side in whole image pixels.

    Raises:
        ValueError: If the box is not finite, or a side is not positive.
    """
    x, y, w, h = box = [float(v) for v in box_xywh]
    if not all(math.isfinite(v) for v in box) or w <= 0 or h <= 0:
        raise ValueError(f'cannot crop around the box {_show(box)}: w and h must be positive and all values finite')
    side = math.ceil(math.sqrt(w * h) * area_factor)
    return round(x + 0.5 * w - side * 0.5), round(y + 0.5 * h - side * 0.5), side


def crop_square(image: np.ndarray, box_xywh, area_factor: float, output_size: int) -> tuple[np.ndarray, float]:
    """Crops a square around a box, pads it with zeros outside the image, and resizes it.

    Args:
        image: (H, W, 3) uint8, or any object that has a shape and can be sliced to such an array.
        box_xywh: (4,) box in image pixels; it may lie partly or wholly outside of the image.
        area_factor: Side of the crop over the geometric mean of the box's sides.
        output_size: Side of the result in pixels.

    Returns:
        The (output_size, output_size, 3) uint8 crop and the factor from image pixels to crop pixels.

    Raises:
        ValueError: If the box is not finite, or a side is shorter than one pixel.
    """
    x1, y1, side = crop_window(box_xywh, area_factor)
    if min(box_xywh[2:4]) < 1:
        raise ValueError(f'cannot crop around the box {_show(box_xywh)}: w and h must be at least one pixel')
    height, width = image.shape[:2]
    left, top = max(0, -x1), max(0, -y1)
    # At the far border, one column and row too many are dropped, as in the released code.
    right, bottom = max(x1 + side - width + 1, 0), max(y1 + side - height + 1, 0)
    inside = left + right < side and top + bottom < side  # otherwise the crop does not overlap the image
    crop = image[y1 + top:y1 + side - bottom, x1 + left:x1 + side - right] if inside else None
    if crop is None or crop.shape[:2] != (side, side):
        padded = np.zeros((side, side) + image.shape[2:], image.dtype)
        if inside:
            padded[top:side - bottom, left:side - right] = crop
        crop = padded
    return cv2.resize(crop, (output_size, output_size)), output_size / side


def box_to_crop(box, extract_box, resize_factor: float, crop_size: int) -> np.ndarray:
    """Maps a box from the image to a crop.

    Args:
        box: (..., 4) xywh in image pixels.
        extract_box: (4,) xywh in image pixels, the box that the crop was cut around.
        resize_factor: Crop pixels per image pixel, from :func:`crop_square`.
        crop_size: Side of the crop in pixels.

    Returns:
        (..., 4) float64 xywh in crop pixels. The centre of ``extract_box`` lands at ``(crop_size - 1) / 2``.
    """
    box, extract_box = np.asarray(box, np.float64), np.asarray(extract_box, np.float64)
    wh = box[..., 2:] * resize_factor
    offset = box[..., :2] + 0.5 * box[..., 2:] - (extract_box[:2] + 0.5 * extract_box[2:])
    centre = (crop_size - 1) / 2 + offset * resize_factor
    return np.concatenate([centre - 0.5 * wh, wh], axis=-1)


def box_from_crop(box, extract_box, resize_factor: float, crop_size: int) -> np.ndarray:
    """Maps a box from a crop back to the image, the inverse of :func:`box_to_crop`.

    Args:
        box: (..., 4) xywh in crop pixels.
        extract_box: (4,) xywh in image pixels, the box that the crop was cut around.
        resize_factor: Crop pixels per image pixel, from :func:`crop_square`.
        crop_size: Side of the crop in pixels.

    Returns:
        (..., 4) float64 xywh in image pixels.
    """
    box, extract_box = np.asarray(box, np.float64), np.asarray(extract_box, np.float64)
    wh = box[..., 2:] / resize_factor
    offset = (box[..., :2] + 0.5 * box[..., 2:] - (crop_size - 1) / 2) / resize_factor
    centre = extract_box[:2] + 0.5 * extract_box[2:] + offset
    return np.concatenate([centre - 0.5 * wh, wh], axis=-1)


def _show(box) -> str:
    return '[' + ', '.join(f'{v:g}' for v in box) + '] (xywh)'
