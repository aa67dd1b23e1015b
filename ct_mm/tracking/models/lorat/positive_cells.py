"""Which cells of the search region learn the box of the target.

References:
    LoRAT, arXiv 2403.05231, section 3.3; its authors' code for the rounding.
"""
from __future__ import annotations

import torch
from torch import Tensor


def positive_cells(boxes: Tensor, size: int) -> Tensor:
    """Marks the cells that a box touches, at its right and lower end by more than 1e-4 of a cell; at least one.

    Args:
        boxes: Boxes (B, 4), xyxy in cells; they may extend beyond the search region.
        size: Side S of the search region in cells.

    Returns:
        (B, S*S) bool, row by row.

    Examples:
        >>> positive_cells(torch.tensor([[0.0, 1.0, 1.2, 4.0]]), 2).tolist()
        [[False, False, True, True]]
    """
    corners = boxes.double().clamp(0, size)  # (B, 4)
    first = corners[:, :2].floor().clamp(max=size - 1)  # (B, 2) x, y
    last = torch.maximum((corners[:, 2:] + 1 - 1e-4).floor(), first + 1)  # (B, 2), excluded
    cells = torch.arange(size, device=boxes.device)
    inside = (cells >= first.unsqueeze(-1)) & (cells < last.unsqueeze(-1))  # (B, 2, S)
    return (inside[:, 1, :, None] & inside[:, 0, None, :]).flatten(1)
