"""LoRAT's head, which predicts a box and its score at every search token.

References:
    LoRAT, arXiv 2403.05231, section 3.3.
"""
from __future__ import annotations

import torch
import torch.nn.functional as F
from mmengine.model import BaseModule
from torch import Tensor, nn

from ct_mm.registry import MODELS

from .cell_losses import TeacherBoxLoss, TeacherScoreLoss, cell_losses
from .positive_cells import positive_cells


class TokenMLP(nn.Module):
    """Linear layers with GELU between them, on each token by itself."""

    def __init__(self, channels: int, out_channels: int) -> None:
        super().__init__()
        widths = [channels, channels, channels, out_channels]
        self.layers = nn.ModuleList(nn.Linear(before, after) for before, after in zip(widths, widths[1:]))

    def forward(self, x: Tensor) -> Tensor:
        """Maps tokens (B, N, C) to (B, N, out_channels)."""
        *hidden, last = self.layers
        for layer in hidden:
            x = F.gelu(layer(x))
        return last(x)


@MODELS.register_module()
class LoRATHead(BaseModule):
    """Two MLPs on each search token: a score, and the distances from the cell's centre to the sides of the box.

    Args:
        in_channels: Width C of the tokens.
        feat_size: Side S of the search region in cells.
        loss_score: Weight of the loss of the scores.
        loss_giou: Weight of the loss of the boxes.
        init_cfg: Initialisation config of MMEngine.

    Examples:
        >>> head = LoRATHead(in_channels=32, feat_size=8)
        >>> predictions = head(torch.rand(2, 8 * 8, 32))
        >>> predictions['cells'].shape
        torch.Size([2, 64, 5])
    """

    def __init__(self, in_channels: int, feat_size: int, loss_score: float = 1.0, loss_giou: float = 1.0,
                 init_cfg: dict | None = None) -> None:
        super().__init__(init_cfg)
        self.feat_size = feat_size
        self.weights = dict(loss_score=loss_score, loss_giou=loss_giou)
        self.cls_mlp = TokenMLP(in_channels, 1)
        self.reg_mlp = TokenMLP(in_channels, 4)
        centres = (torch.arange(feat_size) + 0.5) / feat_size  # (S,)
        y, x = torch.meshgrid(centres, centres, indexing='ij')
        self.register_buffer('centres', torch.stack([x, y], -1).flatten(0, 1), persistent=False)  # (S*S, 2)

    def forward(self, tokens: Tensor) -> dict[str, Tensor]:
        """Predicts a box and its score at every cell.

        Args:
            tokens: Search tokens (B, S*S, C) in raster order.

        Returns:
            ``cells`` (B, S*S, 5), float32: the score before the sigmoid, and the box, xyxy normalised to the search
            region, which may extend beyond it.
        """
        logits = self.cls_mlp(tokens).float()  # (B, S*S, 1)
        distances = self.reg_mlp(tokens).float().sigmoid()  # (B, S*S, 4) left, top, right, bottom
        boxes = torch.cat([self.centres - distances[..., :2], self.centres + distances[..., 2:]], -1)
        return dict(cells=torch.cat([logits, boxes], -1))

    def loss(self, predictions: dict[str, Tensor], boxes: Tensor, side: int) -> dict[str, Tensor]:
        """Computes the losses of the tracker.

        Args:
            predictions: Output of ``forward``.
            boxes: Target boxes (B, 4), xyxy in pixels of the search crop.
            side: Side of the search crop in pixels.

        Returns:
            ``loss_score`` and ``loss_giou``, weighted.
        """
        cells = predictions['cells']
        # Divided by the side of a cell: in float32, a border of the grid times the number of cells may lie beside it.
        positive = positive_cells(boxes.double() / (side / self.feat_size), self.feat_size)  # (B, S*S)
        losses = cell_losses(cells[..., 0], cells[..., 1:], (boxes / side).clamp(0, 1), positive)
        return {name: weight * loss for (name, weight), loss in zip(self.weights.items(), losses)}

    def guidance_losses(self) -> dict[str, dict[str, nn.Module]]:
        """Returns the losses for prediction guidance: the kinds that the head trains with, without L1.

        Returns:
            The named losses for each prediction of ``forward``, called as ``loss(student, teacher)``.
        """
        return dict(cells=dict(giou=TeacherBoxLoss(), score=TeacherScoreLoss()))
