"""Cuts a square crop around a box from an array, or from a file that is decoded only as far as needed."""
import numpy as np

from ct_mm.tracking.datasets.reading import ImageFile
from ct_mm.tracking.runtime.crop import box_from_crop, box_to_crop, crop_square, crop_window

__all__ = ['box_from_crop', 'box_to_crop', 'crop_image', 'crop_window']


def crop_image(image: np.ndarray | ImageFile, box_xywh, area_factor: float, output_size: int,
                reduced: bool = False) -> tuple[np.ndarray, float]:
    """Cuts a square around a box; see :func:`ct_mm.tracking.runtime.crop.crop_square`.

    Args:
        image: (H, W, 3) uint8. An ``ImageFile`` is decoded only as far as the crop needs.
        box_xywh: (4,) box in image pixels; it may lie partly or entirely outside the image.
        area_factor: Ratio of the crop's side to the geometric mean of the box's sides.
        output_size: Side of the result in pixels.
        reduced: Whether an ``ImageFile`` may be decoded at half resolution if the crop is shrunk to half its size or
            less. This changes the pixels. Defaults to False.

    Returns:
        The (output_size, output_size, 3) uint8 crop and the factor from image pixels to crop pixels.

    Raises:
        ValueError: A side of the box is shorter than one pixel.
        OSError: The file cannot be read or decoded.
    """
    if reduced and isinstance(image, ImageFile):
        x1, y1, side = crop_window(box_xywh, area_factor)
        crop = image.shrunken(x1, y1, side, output_size) if min(box_xywh[2:4]) >= 1 else None
        if crop is not None:
            return crop, output_size / side
    return crop_square(image, box_xywh, area_factor, output_size)
