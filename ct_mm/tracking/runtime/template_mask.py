"""Template masks: which tokens of a template crop show the target."""
from __future__ import annotations

import numpy as np


def fraction_mask(box: np.ndarray, side: int, cell: int = 16) -> np.ndarray:
    """Computes the part of each token's pixels that lies in the target's box.

    Pixel i of a row is inside if ``x0 <= i < x0 + w``, where x0 and w are the box's values times the side, in float32.

    Args:
        box: Target, (4,) xywh, normalised to the crop; it may extend beyond the crop.
        side: Side of the crop in pixels.
        cell: Side of a token in pixels.

    Returns:
        The mask (G, G) float32 in [0, 1], G = side / cell, row by row.

    Raises:
        ValueError: ``side`` is not a multiple of ``cell``.

    References:
        SUTrack, arXiv 2412.19138, section 3.2 (soft token type embedding).

    Examples:
        >>> fraction_mask(np.array([0.25, 0.0, 0.5, 0.5]), side=32).tolist()
        [[0.5, 0.5], [0.0, 0.0]]
    """
    _check(side, cell)
    x, y, w, h = np.asarray(box, np.float32) * np.float32(side)
    pixels = np.arange(side, dtype=np.float32)
    columns, rows = ((pixels >= low) & (pixels < low + length) for low, length in ((x, w), (y, h)))  # (side,)
    across, down = (inside.reshape(-1, cell).sum(1) for inside in (columns, rows))  # (G,) pixels of each token
    return (np.outer(down, across) / cell**2).astype(np.float32)


def touched_mask(box: np.ndarray, side: int, cell: int = 14) -> np.ndarray:
    """Marks the tokens that the target's box touches; at its right and lower end by more than 1e-4 of a token.

    Args:
        box: Target, (4,) xyxy in pixels of the crop; it may extend beyond the crop.
        side: Side of the crop in pixels.
        cell: Side of a token in pixels.

    Returns:
        The mask (G, G) float32, 0 or 1, G = side / cell, row by row.

    Raises:
        ValueError: ``side`` is not a multiple of ``cell``.

    References:
        LoRAT, arXiv 2403.05231, section 3.2 (token type embedding); its authors' code for the rounding.

    Examples:
        >>> touched_mask(np.array([0, 14, 15, 28]), side=28).tolist()
        [[0.0, 0.0], [1.0, 1.0]]
    """
    _check(side, cell)
    corners = np.asarray(box, np.float64).clip(0, side) / cell  # (4,) x1 y1 x2 y2 in tokens
    x1, y1, x2, y2 = np.floor(corners + [0, 0, 1 - 1e-4, 1 - 1e-4]).astype(int)
    mask = np.zeros((side // cell, ) * 2, np.float32)
    mask[y1:y2, x1:x2] = 1
    return mask


def _check(side: int, cell: int) -> None:
    if side % cell:
        raise ValueError(f'a template of {side} pixels cannot be cut into tokens of {cell} pixels')
