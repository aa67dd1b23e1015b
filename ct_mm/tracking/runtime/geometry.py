"""From what a network says about a crop to a box in the frame, and the checks of what comes in; numpy alone."""
from __future__ import annotations

import numpy as np


def place_box(box: np.ndarray, around: np.ndarray, side: float, image_size: tuple[int, int],
              margin: float = 10) -> np.ndarray:
    """Carries a predicted box from the search region into the frame and clips it there.

    Args:
        box: (4,) cxcywh, normalised to the search region.
        around: (4,) xywh in pixels, the box that the search region was cut around.
        side: Side of the search region in pixels of the frame.
        image_size: (height, width) of the frame in pixels.
        margin: See :func:`clip_xywh`.

    Returns:
        (4,) float64 xywh in pixels, clipped to the frame.
    """
    cx, cy, w, h = np.asarray(box, dtype=np.float64) * side
    x, y, width, height = around
    corner = (x + width / 2 - side / 2 + cx - w / 2, y + height / 2 - side / 2 + cy - h / 2)
    return clip_xywh(np.array([*corner, w, h]), *image_size, margin)


def clip_xywh(box: np.ndarray, height: float, width: float, margin: float = 10) -> np.ndarray:
    """Clips boxes to an image so that at least ``margin`` pixels of each side stay.

    The left edge goes to [0, width - margin], the right edge to [margin, width], and the box is then at least
    ``margin`` wide; the same vertically. NaN stays NaN. Source: OSTrack (Ye et al., ECCV 2022).

    Args:
        box: xywh, (..., 4), pixels.
        height: Image height in pixels.
        width: Image width in pixels.
        margin: Smallest width and height of the result, in pixels.

    Returns:
        xywh, (..., 4), pixels.
    """
    x, y, w, h = np.moveaxis(np.asarray(box, dtype=np.float64), -1, 0)
    x1, x2 = x.clip(0, width - margin), (x + w).clip(margin, width)
    y1, y2 = y.clip(0, height - margin), (y + h).clip(margin, height)
    return np.stack([x1, y1, (x2 - x1).clip(min=margin), (y2 - y1).clip(min=margin)], axis=-1)


def check_frame(image: np.ndarray, size: tuple[int, int] | None = None, name: str = 'a frame') -> None:
    """Checks one frame before anything is computed from it.

    Args:
        image: What should be RGB uint8 (H, W, 3).
        size: (height, width) of the frames before it. Default: any.
        name: What to call it in the error.

    Raises:
        ValueError: It is no such array, or of another size than the frames before it.
    """
    if not isinstance(image, np.ndarray) or image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
        found = f'{image.dtype} {image.shape}' if isinstance(image, np.ndarray) else type(image).__name__
        raise ValueError(f'{name} must be a numpy array, RGB uint8 (H, W, 3), not {found}')
    if size is not None and image.shape[:2] != tuple(size):
        raise ValueError(f'this frame is {image.shape[1]}x{image.shape[0]} pixels, but the tracker was started on '
                         f'{size[1]}x{size[0]}: a box there means nothing here; call init on a frame of the new size')


def check_target(box: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Checks the box that a tracker is started on.

    Args:
        box: Four numbers, xywh in pixels.
        size: (height, width) of the frame.

    Returns:
        (4,) float64.

    Raises:
        ValueError: It is not four finite numbers, has no area, or lies outside of the frame.
    """
    values = np.asarray(box, dtype=np.float64)
    if values.shape != (4, ) or not np.isfinite(values).all():
        raise ValueError(f'the first box must be four finite numbers, xywh in pixels, not {np.asarray(box).tolist()}')
    x, y, w, h = values
    if w <= 0 or h <= 0:
        raise ValueError(f'the first box {values.tolist()} (xywh) has no area')
    if x + w <= 0 or y + h <= 0 or x >= size[1] or y >= size[0]:
        raise ValueError(f'the first box {values.tolist()} (xywh) lies outside of the {size[1]}x{size[0]} frame')
    return values
