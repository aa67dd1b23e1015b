"""Blocks of DINOv2's ViT: layer scale on both branches, and the gated MLP of its largest model.

References:
    DINOv2, arXiv 2304.07193; GLU Variants Improve Transformer, arXiv 2002.05202 (SwiGLU).
"""
from __future__ import annotations

import torch
import torch.nn.functional as F
from mmcv.cnn.bricks import DropPath
from torch import Tensor, nn

from ..layers.vit import MLP, Attention


class LayerScale(nn.Module):
    """Multiplies each channel of a branch by a factor of its own."""

    def __init__(self, embed_dim: int) -> None:
        super().__init__()
        self.gamma = nn.Parameter(torch.ones(embed_dim))

    def forward(self, x: Tensor) -> Tensor:
        """Scales tokens (B, T, C)."""
        return x * self.gamma


class SwiGLU(nn.Module):
    """Gated MLP ``w3(silu(a) * b)``, where a and b are the halves of ``w12 x``.

    Args:
        embed_dim: Width C of the tokens.
        hidden_dim: Width of a and b. Default: DINOv2's, two thirds of 4 C, rounded up to a multiple of 8.
    """

    def __init__(self, embed_dim: int, hidden_dim: int | None = None) -> None:
        super().__init__()
        hidden_dim = hidden_dim or (4 * embed_dim * 2 // 3 + 7) // 8 * 8
        self.w12 = nn.Linear(embed_dim, 2 * hidden_dim)
        self.w3 = nn.Linear(hidden_dim, embed_dim)

    def forward(self, x: Tensor) -> Tensor:
        """Maps tokens (B, T, C) to tokens (B, T, C)."""
        gate, value = self.w12(x).chunk(2, dim=-1)  # (B, T, hidden) each
        return self.w3(F.silu(gate) * value)


class DINOv2Block(nn.Module):
    """Pre-norm block: attention and MLP, each with a layer norm, a layer scale and a residual connection.

    Args:
        embed_dim: Width C of the tokens.
        num_heads: Number of attention heads.
        mlp_ratio: Ratio of the MLP's hidden width to C.
        gated: Whether the MLP is a :class:`SwiGLU`; then ``mlp_ratio`` has no effect.
        drop_path: Probability of dropping a residual branch for a sample in training.

    Examples:
        >>> DINOv2Block(embed_dim=32, num_heads=2)(torch.rand(1, 10, 32)).shape
        torch.Size([1, 10, 32])
    """

    def __init__(self, embed_dim: int, num_heads: int, mlp_ratio: float = 4.0, gated: bool = False,
                 drop_path: float = 0.0) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(embed_dim, eps=1e-6)
        self.attn = Attention(embed_dim, num_heads)
        self.ls1 = LayerScale(embed_dim)
        self.norm2 = nn.LayerNorm(embed_dim, eps=1e-6)
        self.mlp = SwiGLU(embed_dim) if gated else MLP(embed_dim, int(embed_dim * mlp_ratio))
        self.ls2 = LayerScale(embed_dim)
        self.drop_path = DropPath(drop_path) if drop_path > 0 else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        """Maps tokens (B, T, C) to tokens (B, T, C)."""
        x = x + self.drop_path(self.ls1(self.attn(self.norm1(x))))
        return x + self.drop_path(self.ls2(self.mlp(self.norm2(x))))
