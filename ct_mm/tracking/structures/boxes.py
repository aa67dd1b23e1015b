"""Conversions between box formats, and the overlap of paired boxes.

Formats: ``xywh`` is (left, top, width, height), ``xyxy`` is (left, top, right, bottom) and ``cxcywh`` is
(centre x, centre y, width, height). A conversion changes the format, never the unit: pixels stay pixels and
normalised coordinates stay normalised.

References:
    ``paired_giou`` is the generalised IoU of Rezatofighi et al., CVPR 2019.
"""
from __future__ import annotations

from collections.abc import Sequence
from typing import Union

import numpy as np
import torch
from torch import Tensor

Boxes = Union[Tensor, np.ndarray, Sequence]


def _columns(boxes: Boxes) -> tuple:
    """Splits boxes (..., 4) into their four columns (...,); a plain sequence becomes a float64 array."""
    if not isinstance(boxes, (Tensor, np.ndarray)):
        boxes = np.asarray(boxes, dtype=np.float64)
    if boxes.ndim == 0 or boxes.shape[-1] != 4:
        raise ValueError(f'boxes need 4 numbers in their last dimension, but the shape is {tuple(boxes.shape)}')
    return boxes[..., 0], boxes[..., 1], boxes[..., 2], boxes[..., 3]


def _stack(*columns) -> Tensor | np.ndarray:
    """Joins four columns (...,) into boxes (..., 4): a tensor if they are tensors, otherwise an array."""
    return torch.stack(columns, -1) if isinstance(columns[0], Tensor) else np.stack(columns, -1)


def xywh_to_xyxy(boxes: Boxes) -> Tensor | np.ndarray:
    """Converts (left, top, width, height) to (left, top, right, bottom).

    Args:
        boxes: xywh, (..., 4), a tensor, an array or a plain sequence, in any unit.

    Returns:
        xyxy, (..., 4), in the same unit: a tensor if ``boxes`` is one, otherwise an array.

    Examples:
        >>> xywh_to_xyxy([10, 20, 30, 40]).tolist()
        [10.0, 20.0, 40.0, 60.0]
    """
    x, y, w, h = _columns(boxes)
    return _stack(x, y, x + w, y + h)


def xyxy_to_xywh(boxes: Boxes) -> Tensor | np.ndarray:
    """Converts (left, top, right, bottom) to (left, top, width, height).

    Args:
        boxes: xyxy, (..., 4), a tensor, an array or a plain sequence, in any unit.

    Returns:
        xywh, (..., 4), in the same unit: a tensor if ``boxes`` is one, otherwise an array.
    """
    x1, y1, x2, y2 = _columns(boxes)
    return _stack(x1, y1, x2 - x1, y2 - y1)


def cxcywh_to_xyxy(boxes: Boxes) -> Tensor | np.ndarray:
    """Converts (centre x, centre y, width, height) to (left, top, right, bottom).

    Args:
        boxes: cxcywh, (..., 4), a tensor, an array or a plain sequence, in any unit.

    Returns:
        xyxy, (..., 4), in the same unit: a tensor if ``boxes`` is one, otherwise an array.
    """
    cx, cy, w, h = _columns(boxes)
    return _stack(cx - 0.5 * w, cy - 0.5 * h, cx + 0.5 * w, cy + 0.5 * h)


def xyxy_to_cxcywh(boxes: Boxes) -> Tensor | np.ndarray:
    """Converts (left, top, right, bottom) to (centre x, centre y, width, height).

    Args:
        boxes: xyxy, (..., 4), a floating tensor, an array or a plain sequence, in any unit.

    Returns:
        cxcywh, (..., 4), in the same unit: a tensor if ``boxes`` is one, otherwise an array.
    """
    x1, y1, x2, y2 = _columns(boxes)
    return _stack((x1 + x2) / 2, (y1 + y2) / 2, (x2 - x1) * 1.0, (y2 - y1) * 1.0)


def _area(boxes: Tensor) -> Tensor:
    """Returns the areas (N,) of xyxy boxes (N, 4); a box whose right edge lies left of its left edge is empty."""
    sides = (boxes[:, 2:] - boxes[:, :2]).clamp(min=0)  # (N, 2)
    return sides[:, 0] * sides[:, 1]


def _nonzero(denominator: Tensor) -> Tensor:
    """Replaces exact zeros by 1, so that 0 / 0 becomes 0 / 1 = 0 with a finite gradient; NaN stays NaN."""
    return torch.where(denominator == 0, torch.ones_like(denominator), denominator)


def _iou_and_union(boxes1: Tensor, boxes2: Tensor) -> tuple[Tensor, Tensor]:
    intersection = _area(
        torch.cat([torch.maximum(boxes1[:, :2], boxes2[:, :2]),
                   torch.minimum(boxes1[:, 2:], boxes2[:, 2:])], dim=1))  # (N,)
    union = _area(boxes1) + _area(boxes2) - intersection  # (N,)
    return intersection / _nonzero(union), union


def _checked(boxes1: Tensor, boxes2: Tensor) -> tuple[Tensor, Tensor]:
    """Returns both tensors (N, 4) in at least float32, because half precision cannot hold the areas of pixel boxes."""
    if boxes1.shape != boxes2.shape or boxes1.ndim != 2 or boxes1.shape[-1] != 4:
        raise ValueError('paired boxes need two tensors of the same shape (N, 4), but the shapes are '
                         f'{tuple(boxes1.shape)} and {tuple(boxes2.shape)}')
    dtype = torch.promote_types(torch.promote_types(boxes1.dtype, boxes2.dtype), torch.float32)
    return boxes1.to(dtype), boxes2.to(dtype)


def paired_iou(boxes1: Tensor, boxes2: Tensor) -> Tensor:
    """Returns the intersection over union of each box with the box in the same row; differentiable.

    Two boxes of zero area have IoU 0 (not NaN), even if they coincide. NaN in a box gives NaN.

    Args:
        boxes1: xyxy, (N, 4), in any unit.
        boxes2: xyxy, (N, 4), in the same unit.

    Returns:
        IoU in [0, 1], (N,), float32 or wider.

    Raises:
        ValueError: The shapes differ or are not (N, 4).

    Examples:
        >>> paired_iou(torch.tensor([[0., 0., 2., 2.]]), torch.tensor([[0., 0., 2., 1.]])).tolist()
        [0.5]
    """
    return _iou_and_union(*_checked(boxes1, boxes2))[0]


def paired_giou(boxes1: Tensor, boxes2: Tensor) -> Tensor:
    """Returns the generalised IoU of each box with the box in the same row; differentiable.

    ``iou - (enclosing - union) / enclosing`` (Rezatofighi et al., CVPR 2019, algorithm 1), with no epsilon. If both
    boxes have zero area, the result is -1 if their enclosing box has an area and 0 otherwise; the gradient is finite
    in both cases. NaN in a box gives NaN.

    Args:
        boxes1: xyxy, (N, 4), in any unit.
        boxes2: xyxy, (N, 4), in the same unit.

    Returns:
        Generalised IoU in [-1, 1], (N,), float32 or wider.

    Raises:
        ValueError: The shapes differ or are not (N, 4).
    """
    boxes1, boxes2 = _checked(boxes1, boxes2)
    iou, union = _iou_and_union(boxes1, boxes2)  # (N,), (N,)
    enclosing = _area(
        torch.cat([torch.minimum(boxes1[:, :2], boxes2[:, :2]),
                   torch.maximum(boxes1[:, 2:], boxes2[:, 2:])], dim=1))  # (N,)
    return iou - (enclosing - union) / _nonzero(enclosing)
