"""Task head, which learns from the kind of the training data and does not run in tracking.

References:
    SUTrack, arXiv 2412.19138, section 3.4.
"""
from __future__ import annotations

import torch.nn.functional as F
from mmengine.model import BaseModule
from torch import Tensor, nn

from ct_mm.registry import MODELS


@MODELS.register_module()
class TaskHead(BaseModule):
    """Classifies the task of a pair by the mean of all tokens: RGB, language, depth, thermal or event.

    Args:
        in_channels: Width C of the tokens.
        channels: Width of the two hidden layers.
        num_tasks: Number of tasks.
        loss_weight: Weight of the cross-entropy.
        init_cfg: Initialisation config of MMEngine.

    Examples:
        >>> import torch
        >>> TaskHead(in_channels=32)(torch.rand(2, 26, 32)).shape
        torch.Size([2, 5])
    """

    def __init__(self, in_channels: int, channels: int = 256, num_tasks: int = 5, loss_weight: float = 1.0,
                 init_cfg: dict | None = None) -> None:
        super().__init__(init_cfg)
        self.layers = nn.Sequential(nn.Linear(in_channels, channels), nn.ReLU(), nn.Linear(channels, channels),
                                    nn.ReLU(), nn.Linear(channels, num_tasks))
        self.loss_weight = loss_weight

    def forward(self, tokens: Tensor) -> Tensor:
        """Maps all tokens (B, T, C) to logits (B, num_tasks)."""
        return self.layers(tokens.mean(1))

    def loss(self, tokens: Tensor, labels: Tensor) -> dict[str, Tensor]:
        """Returns ``loss_task`` of all tokens (B, T, C), given the number of each pair's task, (B,) int64."""
        return dict(loss_task=self.loss_weight * F.cross_entropy(self(tokens).float(), labels))
