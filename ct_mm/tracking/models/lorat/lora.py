"""Low-rank adaptation of linear layers: frozen weights, and two small trained factors beside each.

References:
    LoRA, arXiv 2106.09685; LoRAT, arXiv 2403.05231, section 3.1.
"""
from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class LoRALinear(nn.Linear):
    """A frozen linear layer plus ``alpha / rank * B A``.

    Args:
        in_features: Width of the input.
        out_features: Width of the output.
        rank: Rank r of the factors.
        alpha: Numerator of the factor.
        parts: Number of equal parts of the output, each with its own factors: 3 in a fused qkv.

    Examples:
        >>> LoRALinear(8, 24, rank=2, alpha=2, parts=3)(torch.rand(1, 5, 8)).shape
        torch.Size([1, 5, 24])
    """

    def __init__(self, in_features: int, out_features: int, rank: int, alpha: float, parts: int = 1) -> None:
        super().__init__(in_features, out_features)
        self.factor = alpha / rank
        self.weight.requires_grad_(False)
        self.bias.requires_grad_(False)
        self.lora_A = nn.Parameter(torch.empty(parts, rank, in_features))
        self.lora_B = nn.Parameter(torch.empty(parts, out_features // parts, rank))
        for factor in (self.lora_A, self.lora_B):  # training does not start at the pretrained model exactly
            nn.init.trunc_normal_(factor, std=0.02)

    def forward(self, x: Tensor) -> Tensor:
        """Maps (..., in_features) to (..., out_features)."""
        down = F.linear(x, self.lora_A.flatten(0, 1)).unflatten(-1, self.lora_A.shape[:2])  # (..., parts, r)
        up = torch.einsum('...pr,por->...po', down, self.lora_B).flatten(-2)
        return super().forward(x) + self.factor * up


def add_lora(blocks: nn.ModuleList, rank: int, alpha: float) -> None:
    """Replaces every linear layer of the blocks by a :class:`LoRALinear`; the fused qkv has three pairs of factors."""
    for block in blocks:
        for path, module in list(block.named_modules()):
            if isinstance(module, nn.Linear):
                owner, _, name = path.rpartition('.')
                parts = 3 if name == 'qkv' else 1
                setattr(block.get_submodule(owner), name,
                        LoRALinear(module.in_features, module.out_features, rank, alpha, parts))


def merge_lora(weight: Tensor, down: Tensor, up: Tensor, factor: float) -> Tensor:
    """Folds the factors of one linear layer into its weight.

    Args:
        weight: Frozen weight (out, in).
        down: A, (r, in).
        up: B, (out, r).
        factor: alpha / r.

    Returns:
        ``weight + factor * B A`` (out, in), float32.
    """
    return weight.float() + factor * (up.float() @ down.float())
