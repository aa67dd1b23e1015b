"""Complete IoU of paired boxes, and the loss on it.

References:
    Distance-IoU Loss: Faster and Better Learning for Bounding Box Regression, arXiv 1911.08287, section 3.3.
"""
import math

import torch
from torch import Tensor, nn

from ct_mm.registry import MODELS
from ct_mm.tracking.structures.boxes import cxcywh_to_xyxy


def paired_ciou(boxes: Tensor, targets: Tensor) -> Tensor:
    """Returns the complete IoU of each box with the target in the same row.

    ``IoU - d^2 / c^2 - alpha v``: d is the distance of the centres, c the diagonal of the enclosing box, and v compares
    the aspect ratios. The weight ``alpha = v / (1 - IoU + v)`` has no gradient and is 0 unless IoU is above 0.5. Boxes
    that coincide have a value of 1, and points a finite one; gradients are finite in both cases. The width or height of
    a predicted box may be negative.

    Args:
        boxes: xyxy, (N, 4).
        targets: xyxy, (N, 4), in the same unit.

    Returns:
        Complete IoU in [-1, 1], (N,).

    Examples:
        >>> box = torch.tensor([[0.2, 0.2, 0.6, 0.5]])
        >>> paired_ciou(box, box).tolist()
        [1.0]
    """
    size, target_size = boxes[:, 2:] - boxes[:, :2], targets[:, 2:] - targets[:, :2]  # (N, 2)
    overlap = torch.minimum(boxes[:, 2:], targets[:, 2:]) - torch.maximum(boxes[:, :2], targets[:, :2])
    shared = overlap.clamp(min=0).prod(1)  # (N,)
    iou = shared / _nonzero(size.prod(1) + target_size.prod(1) - shared)
    enclosing = torch.maximum(boxes[:, 2:], targets[:, 2:]) - torch.minimum(boxes[:, :2], targets[:, :2])
    between = (boxes[:, :2] + boxes[:, 2:] - targets[:, :2] - targets[:, 2:]) / 2  # (N, 2)
    distance = between.square().sum(1) / _nonzero(enclosing.square().sum(1))
    aspect, target_aspect = (torch.atan(side[:, 0] / _nonzero(side[:, 1])) for side in (size, target_size))
    v = 4 / math.pi**2 * (target_aspect - aspect).square()
    with torch.no_grad():
        alpha = (iou > 0.5) * v / _nonzero(1 - iou + v)
    return (iou - distance - alpha * v).clamp(-1, 1)


def _nonzero(denominator: Tensor) -> Tensor:
    """Replaces exact zeros by 1, so that 0 / 0 becomes 0 with a finite gradient."""
    return torch.where(denominator == 0, torch.ones_like(denominator), denominator)


@MODELS.register_module()
class CIoULoss(nn.Module):
    """``1 - CIoU`` between pairs of boxes, averaged over the batch.

    Args:
        loss_weight: Weight of the loss.
    """

    def __init__(self, loss_weight: float = 2.0) -> None:
        super().__init__()
        self.loss_weight = loss_weight

    def forward(self, pred: Tensor, target: Tensor) -> Tensor:
        """Compares boxes in float32 regardless of the precision of the model.

        Args:
            pred: Predicted boxes (B, 4), normalised cxcywh.
            target: Target boxes (B, 4), normalised cxcywh.

        Returns:
            The weighted loss, a scalar.
        """
        return self.loss_weight * (1 - paired_ciou(cxcywh_to_xyxy(pred.float()), cxcywh_to_xyxy(target.float()))).mean()
