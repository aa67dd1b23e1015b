"""Wraps any network as an MMEngine model: what a user of timm, transformers or plain PyTorch writes once."""
from __future__ import annotations

from typing import Any

import torch.nn.functional as F
from mmengine.model import BaseModel
from torch import Tensor, nn
from torch.utils._pytree import tree_leaves

from ct_mm.registry import MODELS


class NetworkModel(BaseModel):
    """Regresses the first tensor that a network returns.

    Args:
        network: Config of the network; its ``type`` may be any importable function or class.
        init_cfg: MMEngine's initialisation config.
    """

    def __init__(self, network: dict | nn.Module, init_cfg: dict | None = None) -> None:
        super().__init__(init_cfg=init_cfg)
        self.network = network if isinstance(network, nn.Module) else MODELS.build(network)

    def forward(self, inputs: dict[str, Tensor], data_samples: Tensor | None = None, mode: str = 'tensor') -> Any:
        """Runs the network on keyword arguments; ``loss`` compares its output with ``data_samples``."""
        outputs = self.network(**inputs)
        if mode == 'tensor':
            return outputs
        prediction = tree_leaves(outputs)[0]
        if mode == 'predict':
            return [prediction]
        number = prediction.float().flatten(1).mean(1, keepdim=True)  # (B, 1)
        return dict(loss_task=F.mse_loss(number, data_samples))
