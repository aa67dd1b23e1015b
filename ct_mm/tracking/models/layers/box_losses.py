"""Box losses: generalised IoU and L1.

References:
    Generalized Intersection over Union, arXiv 1902.09630.
"""
import torch.nn.functional as F
from torch import Tensor, nn

from ct_mm.registry import MODELS
from ct_mm.tracking.structures.boxes import cxcywh_to_xyxy, paired_giou


@MODELS.register_module()
class GIoULoss(nn.Module):
    """``1 - GIoU`` between pairs of boxes, averaged over the batch.

    Args:
        loss_weight: Weight of the loss.

    Examples:
        >>> import torch
        >>> boxes = torch.tensor([[0.5, 0.5, 0.2, 0.2]])
        >>> GIoULoss()(boxes, boxes)
        tensor(0.)
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
        return self.loss_weight * (1 - paired_giou(cxcywh_to_xyxy(pred.float()), cxcywh_to_xyxy(target.float()))).mean()


@MODELS.register_module()
class BoxL1Loss(nn.Module):
    """Mean absolute difference between the corners of pairs of boxes, as in OSTrack.

    Args:
        loss_weight: Weight of the loss.
    """

    def __init__(self, loss_weight: float = 5.0) -> None:
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
        return self.loss_weight * F.l1_loss(cxcywh_to_xyxy(pred.float()), cxcywh_to_xyxy(target.float()))
