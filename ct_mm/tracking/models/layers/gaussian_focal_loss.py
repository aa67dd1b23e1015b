"""Focal loss between a score map and a Gaussian target.

References:
    CornerNet, arXiv 1808.01244, section 3.2, equation 1; radius of the Gaussian from its authors' code.
"""
import torch
from torch import Tensor, nn

from ct_mm.registry import MODELS


def gaussian_radius(width: Tensor, height: Tensor, min_overlap: float = 0.7) -> Tensor:
    """Returns how far a pair of corners can move before the IoU with the original box drops below ``min_overlap``.

    These are the three cases of CornerNet with the root formula of the authors' code. It divides by 2 instead of 2a as
    in the quadratic formula; all published trackers were trained with the resulting radii.

    Args:
        width: Box widths (B,) in cells of the score map.
        height: Box heights (B,) in cells of the score map.
        min_overlap: Smallest acceptable IoU.

    Returns:
        Radii (B,), in cells, not rounded.
    """
    total, area = width + height, width * height
    cases = (
        (torch.ones_like(area), total, area * (1 - min_overlap) / (1 + min_overlap)),
        (torch.full_like(area, 4.0), 2 * total, area * (1 - min_overlap)),
        (torch.full_like(area, 4 * min_overlap), -2 * min_overlap * total, area * (min_overlap - 1)),
    )
    radii = [(b + (b * b - 4 * a * c).sqrt()) / 2 for a, b, c in cases]
    return torch.stack(radii).amin(0)


def gaussian_target(boxes: Tensor, size: int) -> Tensor:
    """Draws the target score map of each box: a Gaussian whose peak cell is exactly 1.

    Args:
        boxes: Boxes (B, 4), normalised cxcywh.
        size: Side S of the score map in cells.

    Returns:
        Target maps (B, 1, S, S) in [0, 1].
    """
    cx, cy, width, height = (boxes.float() * size).unbind(-1)  # each (B,), in cells
    radius = gaussian_radius(width, height).clamp(min=0).int().view(-1, 1, 1)  # (B, 1, 1)
    sigma = (2 * radius + 1) / 6
    cells = torch.arange(size, device=boxes.device)
    dx = (cells - cx.round().view(-1, 1)).unsqueeze(1)  # (B, 1, S)
    dy = (cells - cy.round().view(-1, 1)).unsqueeze(2)  # (B, S, 1)
    bump = torch.exp(-(dx * dx + dy * dy) / (2 * sigma * sigma))  # (B, S, S)
    inside = (dx.abs() <= radius) & (dy.abs() <= radius)
    return (bump * inside).unsqueeze(1)


@MODELS.register_module()
class GaussianFocalLoss(nn.Module):
    """Penalty-reduced pixel-wise focal loss.

    Args:
        alpha: Exponent that focuses on hard cells.
        beta: Exponent that reduces the penalty near the peak.
        scale_target: Whether to divide each target by its maximum, so that a predicted map, whose peak is below 1, can
            be the target.
        loss_weight: Weight of the loss.

    Examples:
        >>> target = gaussian_target(torch.tensor([[0.5, 0.5, 0.3, 0.3]]), size=8)  # (1, 1, 8, 8)
        >>> bool(GaussianFocalLoss()(target.clamp(1e-4, 1 - 1e-4), target) < 0.1)
        True
    """

    def __init__(self, alpha: float = 2.0, beta: float = 4.0, scale_target: bool = False,
                 loss_weight: float = 1.0) -> None:
        super().__init__()
        self.alpha, self.beta, self.scale_target, self.loss_weight = alpha, beta, scale_target, loss_weight

    def forward(self, pred: Tensor, target: Tensor) -> Tensor:
        """Compares maps in float32 regardless of the precision of the model.

        Args:
            pred: Score maps (B, 1, S, S), strictly inside (0, 1).
            target: Target maps (B, 1, S, S); cells equal to 1 are positive.

        Returns:
            The weighted loss divided by the number of positive cells in the batch, a scalar.
        """
        pred, target = pred.float(), target.float()
        if self.scale_target:
            target = target / target.amax((-2, -1), keepdim=True)
        positive = target.eq(1).float()  # (B, 1, S, S)
        hit = pred.log() * (1 - pred)**self.alpha * positive
        miss = (1 - pred).log() * pred**self.alpha * (1 - target)**self.beta * (1 - positive)
        # If the centre of a target rounds to a cell outside the map, there is no positive cell, only negatives.
        return -self.loss_weight * (hit.sum() + miss.sum()) / positive.sum().clamp(min=1)
