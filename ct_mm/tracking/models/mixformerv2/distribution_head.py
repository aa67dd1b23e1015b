"""Head that reads a distribution over positions from each of four regression tokens, one for each edge of the box.

References:
    MixFormerV2: Efficient Fully Transformer Tracking, arXiv 2305.15896, section 3.1.
"""
from __future__ import annotations

import torch
import torch.nn.functional as F
from mmengine.model import BaseModule
from torch import Tensor, nn

from ct_mm.registry import MODELS
from ct_mm.tracking.structures.boxes import cxcywh_to_xyxy, xyxy_to_cxcywh

from .guidance_losses import ScoreGuidanceLoss


@MODELS.register_module()
class DistributionHead(BaseModule):
    """One MLP shared by the four tokens gives the logits of ``bins`` positions; an edge is at their mean.

    Position k is ``k / bins`` of the search region. The tokens are in the order left, right, top, bottom. Nothing keeps
    the width and the height of a box positive.

    Args:
        in_channels: Width C of the tokens.
        bins: Number of positions.
        score: Whether there is a score head: an MLP on each token, whose logits are averaged.
        loss_ciou: Config of the IoU loss of boxes.
        loss_l1: Config of the L1 loss of boxes.
        loss_edges: Config of the loss between distributions, used by guidance.
        init_cfg: Initialisation config of MMEngine.

    Examples:
        >>> head = DistributionHead(in_channels=32, bins=24, score=True)
        >>> {name: tuple(value.shape) for name, value in head(torch.rand(2, 4, 32)).items()}
        {'boxes': (2, 4), 'edges': (2, 4, 24), 'score': (2,)}
    """

    def __init__(self, in_channels: int, bins: int, score: bool = False, loss_ciou: dict | None = None,
                 loss_l1: dict | None = None, loss_edges: dict | None = None, init_cfg: dict | None = None) -> None:
        super().__init__(init_cfg)
        self.bins = bins
        self.box = nn.Sequential(
            nn.Linear(in_channels, in_channels), nn.LayerNorm(in_channels), nn.ReLU(),
            nn.Linear(in_channels, bins), nn.LayerNorm(bins))
        self.score = nn.Sequential(
            nn.Linear(in_channels, in_channels), nn.ReLU(), nn.Linear(in_channels, 1)) if score else None
        self.loss_ciou = MODELS.build(loss_ciou or dict(type='ct_mm.CIoULoss', loss_weight=2.0))
        self.loss_l1 = MODELS.build(loss_l1 or dict(type='ct_mm.BoxL1Loss', loss_weight=5.0))
        self.loss_edges = MODELS.build(loss_edges or dict(type='ct_mm.EdgeKLLoss', loss_weight=5.0))

    def forward(self, tokens: Tensor) -> dict[str, Tensor]:
        """Predicts the box of the target and, with a score head, whether it is there.

        Args:
            tokens: Regression tokens (B, 4, C).

        Returns:
            ``boxes`` (B, 4), normalised cxcywh; ``edges`` (B, 4, bins), the logits of the edges' positions; with a
            score head ``score`` (B,), a logit.
        """
        edges = self.box(tokens).float()  # (B, 4, bins)
        predictions = dict(boxes=self.decode(edges), edges=edges)
        if self.score is not None:
            predictions['score'] = self.score(tokens).float().mean((1, 2))
        return predictions

    def decode(self, edges: Tensor) -> Tensor:
        """Returns the boxes (B, 4), normalised cxcywh, at the means of the distributions of logits (B, 4, bins)."""
        positions = torch.arange(self.bins, dtype=edges.dtype, device=edges.device) / self.bins
        left, right, top, bottom = (edges.softmax(-1) @ positions).unbind(1)  # (B,) each
        return xyxy_to_cxcywh(torch.stack([left, top, right, bottom], 1))

    def loss(self, predictions: dict[str, Tensor], boxes: Tensor) -> dict[str, Tensor]:
        """Computes the losses of the box.

        Args:
            predictions: Output of ``forward``.
            boxes: Target boxes (B, 4), normalised cxcywh, of which the part inside the search region counts.

        Returns:
            ``loss_ciou`` and ``loss_l1``, weighted.
        """
        inside = xyxy_to_cxcywh(cxcywh_to_xyxy(boxes).clamp(0, 1))  # (B, 4)
        return dict(loss_ciou=self.loss_ciou(predictions['boxes'], inside),
                    loss_l1=self.loss_l1(predictions['boxes'], inside))

    def score_loss(self, predictions: dict[str, Tensor], present: Tensor) -> dict[str, Tensor]:
        """Computes the loss of the score head.

        Args:
            predictions: Output of ``forward``.
            present: 1 if the search region shows the target, else 0, (B,).

        Returns:
            ``loss_score``, the binary cross-entropy.
        """
        return dict(loss_score=F.binary_cross_entropy_with_logits(predictions['score'], present.float()))

    def guidance_losses(self) -> dict[str, dict[str, nn.Module]]:
        """Returns the losses for prediction guidance.

        Returns:
            The named losses for each prediction of ``forward``, called as ``loss(student, teacher)``.
        """
        losses = dict(boxes=dict(ciou=self.loss_ciou, l1=self.loss_l1), edges=dict(kl=self.loss_edges))
        return losses if self.score is None else dict(losses, score=dict(score=ScoreGuidanceLoss()))
