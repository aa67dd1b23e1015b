"""Losses between the predictions of two distribution heads.

References:
    MixFormerV2: Efficient Fully Transformer Tracking, arXiv 2305.15896, section 3.3.
"""
import torch.nn.functional as F
from torch import Tensor, nn

from ct_mm.registry import MODELS


@MODELS.register_module()
class EdgeKLLoss(nn.Module):
    """``KL(teacher || student)`` of distributions of edges, summed over positions, averaged over edges and batch.

    Args:
        loss_weight: Weight of the loss.

    Examples:
        >>> logits = torch.rand(2, 4, 24)
        >>> EdgeKLLoss()(logits, logits)
        tensor(0.)
    """

    def __init__(self, loss_weight: float = 5.0) -> None:
        super().__init__()
        self.loss_weight = loss_weight

    def forward(self, student: Tensor, teacher: Tensor) -> Tensor:
        """Compares logits in float32 regardless of the precision of the model.

        Args:
            student: Logits (B, 4, bins).
            teacher: Logits (B, 4, bins); the logarithm of a distribution is its own logit.

        Returns:
            The weighted loss, a scalar.
        """
        student, teacher = (logits.float().log_softmax(-1) for logits in (student, teacher))
        return self.loss_weight * F.kl_div(student, teacher, reduction='none', log_target=True).sum(-1).mean()


class ScoreGuidanceLoss(nn.Module):
    """Binary cross-entropy between the student's and the teacher's score."""

    def forward(self, student: Tensor, teacher: Tensor) -> Tensor:
        """Compares logits (B,), and returns a scalar."""
        return F.binary_cross_entropy_with_logits(student, teacher.sigmoid())
