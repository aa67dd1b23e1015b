"""Converts network outputs to boxes in the frame and validates inputs; requires numpy only."""
from __future__ import annotations

import numpy as np


def place_box(box: np.ndarray, around: np.ndarray, side: float, image_size: tuple[int, int],
              margin: float = 10) -> np.ndarray:
    """Maps a predicted box from the search region to the frame and clips it.

    Args:
        box: (4,) cxcywh, normalised to the search region.
        around: (4,) xywh in pixels, the box at the centre of the search region.
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
    """Clips boxes to an image and keeps each side at least ``margin`` pixels long.

    The left edge is clipped to [0, width - margin] and the right edge to [margin, width]; the width is then at least
    ``margin``. The same applies vertically. NaN stays NaN. Source: OSTrack (Ye et al., ECCV 2022).

    Args:
        box: xywh, (..., 4), pixels.
        height: Image height in pixels.
        width: Image width in pixels.
        margin: Minimum width and height of the result, in pixels.

    Returns:
        xywh, (..., 4), pixels.
    """
    x, y, w, h = np.moveaxis(np.asarray(box, dtype=np.float64), -1, 0)
    x1, x2 = x.clip(0, width - margin), (x + w).clip(margin, width)
    y1, y2 = y.clip(0, height - margin), (y + h).clip(margin, height)
    return np.stack([x1, y1, (x2 - x1).clip(min=margin), (y2 - y1).clip(min=margin)], axis=-1)


def check_frame(image: np.ndarray, size: tuple[int, int] | None = None, name: str = 'a frame') -> None:
    """Validates a frame.

    Args:
        image: The frame; it must be RGB uint8 (H, W, 3).
        size: (height, width) of the previous frames. Default: any size.
        name: What to call it in the error.

    Raises:
        ValueError: If it has another type or shape, or its size differs from the previous frames.
    """
    if not isinstance(image, np.ndarray) or image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
        found = f'{image.dtype} {image.shape}' if isinstance(image, np.ndarray) else type(image).__name__
        raise ValueError(f'{name} must be a numpy array, RGB uint8 (H, W, 3), not {found}')
    if size is not None and image.shape[:2] != tuple(size):
        raise ValueError(f'this frame is {image.shape[1]}x{image.shape[0]} pixels, but the tracker was started on '
                         f'{size[1]}x{size[0]}, so its box does not apply; call init with a frame of the new size')


def check_target(box: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Validates the first box of a tracker.

    Args:
        box: Four numbers, xywh in pixels.
        size: (height, width) of the frame.

    Returns:
        (4,) float64.

    Raises:
        ValueError: If it is not four finite numbers, has no area, or lies outside the frame.
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
