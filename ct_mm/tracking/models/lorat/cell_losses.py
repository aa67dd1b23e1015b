"""Losses over the cells of the search region, each of which predicts a box and how well it fits.

References:
    LoRAT, arXiv 2403.05231, section 3.3.
"""
from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from mmengine.dist import all_reduce
from torch import Tensor, nn

from ct_mm.tracking.structures.boxes import paired_giou, paired_iou

from .positive_cells import positive_cells


def cell_losses(logits: Tensor, boxes: Tensor, truth: Tensor, positive: Tensor) -> tuple[Tensor, Tensor]:
    """Computes LoRAT's losses: IoU as target of the scores, and GIoU of the boxes at the positives.

    Args:
        logits: Scores before the sigmoid (B, N).
        boxes: Boxes (B, N, 4), normalised xyxy.
        truth: Target boxes (B, 4), normalised xyxy, clipped to the search region.
        positive: Which cells are positives (B, N) bool.

    Returns:
        Binary cross-entropy over all cells, and ``1 - GIoU`` over the positives, each summed and divided by the number
        of positives (the mean over all processes, at least 1). In float32.
    """
    logits, boxes = logits.float(), boxes.float()
    number = count_positives(positive)
    predicted = boxes[positive]  # (P, 4)
    wanted = truth.float().unsqueeze(1).expand_as(boxes)[positive]  # (P, 4)
    target = torch.zeros_like(logits)
    target[positive] = paired_iou(predicted.detach(), wanted)
    score = F.binary_cross_entropy_with_logits(logits, target, reduction='sum')
    return score / number, (1 - paired_giou(predicted, wanted)).sum() / number


def count_positives(positive: Tensor) -> Tensor:
    """Returns the number of positives as a float32 scalar, the mean over all processes, at least 1."""
    number = positive.sum().float()
    all_reduce(number, 'mean')
    return number.clamp(min=1)


class TeacherBoxLoss(nn.Module):
    """``1 - GIoU`` to the teacher's boxes, at the cells that would be positives if its best box were the truth.

    The training has no L1 loss of boxes, so the guidance has none either.
    """

    def forward(self, student: Tensor, teacher: Tensor) -> Tensor:
        """Compares cells (B, N, 5), see :class:`~ct_mm.tracking.models.lorat.lorat_head.LoRATHead`; a scalar."""
        positive = teacher_positives(teacher)
        giou = paired_giou(student[..., 1:][positive], teacher[..., 1:][positive])
        return (1 - giou).sum() / count_positives(positive)


class TeacherScoreLoss(nn.Module):
    """Binary cross-entropy of all cells with the teacher's scores as soft targets, above its least possible value.

    The sum over cells is divided by the number of positives, as in training.
    """

    def forward(self, student: Tensor, teacher: Tensor) -> Tensor:
        """Compares cells (B, N, 5), see :class:`~ct_mm.tracking.models.lorat.lorat_head.LoRATHead`; a scalar."""
        target = teacher[..., 0].sigmoid()
        losses = [F.binary_cross_entropy_with_logits(logits, target, reduction='sum')
                  for logits in (student[..., 0], teacher[..., 0])]
        return (losses[0] - losses[1]) / count_positives(teacher_positives(teacher))


def teacher_positives(teacher: Tensor) -> Tensor:
    """Returns the positives (B, N) bool that the teacher's best box of each sample would make."""
    best = teacher[..., 0].argmax(1)  # (B,)
    boxes = teacher[torch.arange(len(teacher), device=teacher.device), best, 1:]  # (B, 4)
    size = math.isqrt(teacher.shape[1])
    return positive_cells(boxes * size, size)
