"""The blocks of Fast-iTPN: convolutional ones on grids, and transformer blocks with SwiGLU on tokens.

References:
    Fast-iTPN, arXiv 2211.12735; its tracking version in SUTrack, arXiv 2412.19138.
"""
from __future__ import annotations

import torch
import torch.nn.functional as F
from mmcv.cnn.bricks import DropPath
from torch import Tensor, nn


class ChannelNorm(nn.LayerNorm):
    """Layer norm over the channels of a grid (B, C, H, W)."""

    def __init__(self, channels: int) -> None:
        super().__init__(channels, eps=1e-6)

    def forward(self, x: Tensor) -> Tensor:
        """Normalises a grid; the result is stored channels last, as the next 1x1 convolution wants it."""
        return super().forward(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


class StemBlock(nn.Module):
    """MLP of 1x1 convolutions on a grid, with a residual connection.

    Args:
        channels: Channels C of the grid.
        mlp_ratio: Ratio of the hidden channels to C.
        drop_path: Probability of dropping the branch for a sample in training.
    """

    def __init__(self, channels: int, mlp_ratio: float = 3.0, drop_path: float = 0.0) -> None:
        super().__init__()
        hidden = int(channels * mlp_ratio)
        self.norm = ChannelNorm(channels)
        self.fc1 = nn.Conv2d(channels, hidden, 1)
        self.act = nn.GELU()
        self.hidden_norm = ChannelNorm(hidden)
        self.fc2 = nn.Conv2d(hidden, channels, 1)
        self.drop_path = DropPath(drop_path) if drop_path > 0 else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        """Maps a grid (B, C, H, W) to a grid of the same shape."""
        return x + self.drop_path(self.fc2(self.hidden_norm(self.act(self.fc1(self.norm(x))))))


class PatchMerge(nn.Module):
    """Merges 2 x 2 cells of a grid into one of twice the channels."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm = ChannelNorm(channels)
        self.reduction = nn.Conv2d(channels, 2 * channels, 2, stride=2)

    def forward(self, x: Tensor) -> Tensor:
        """Maps a grid (B, C, H, W) to (B, 2C, H/2, W/2)."""
        return self.reduction(self.norm(x))


class ITPNAttention(nn.Module):
    """Multi-head self-attention whose keys have no bias.

    Args:
        embed_dim: Width C of the tokens.
        num_heads: Number of heads; must divide ``embed_dim``.
    """

    def __init__(self, embed_dim: int, num_heads: int) -> None:
        super().__init__()
        if embed_dim % num_heads:
            raise ValueError(f'num_heads={num_heads} does not divide embed_dim={embed_dim}')
        self.num_heads = num_heads
        self.q_proj = nn.Linear(embed_dim, embed_dim)
        self.k_proj = nn.Linear(embed_dim, embed_dim, bias=False)
        self.v_proj = nn.Linear(embed_dim, embed_dim)
        self.proj = nn.Linear(embed_dim, embed_dim)

    def forward(self, x: Tensor) -> Tensor:
        """Applies attention to tokens (B, T, C) and returns tokens (B, T, C)."""
        shape = (*x.shape[:2], self.num_heads, -1)
        query, key, value = (proj(x).view(shape).transpose(1, 2)  # each (B, nh, T, hd)
                             for proj in (self.q_proj, self.k_proj, self.v_proj))
        out = F.scaled_dot_product_attention(query, key, value)  # (B, nh, T, hd)
        return self.proj(out.transpose(1, 2).reshape(x.shape))  # (B, T, C)


class SwiGLU(nn.Module):
    """Gated MLP with a norm on its hidden layer: ``w3(norm(silu(w1 x) * w2 x))``."""

    def __init__(self, embed_dim: int, hidden_dim: int) -> None:
        super().__init__()
        self.w1 = nn.Linear(embed_dim, hidden_dim)
        self.w2 = nn.Linear(embed_dim, hidden_dim)
        self.norm = nn.LayerNorm(hidden_dim, eps=1e-6)
        self.w3 = nn.Linear(hidden_dim, embed_dim)

    def forward(self, x: Tensor) -> Tensor:
        """Maps tokens (B, T, C) to tokens (B, T, C)."""
        return self.w3(self.norm(F.silu(self.w1(x)) * self.w2(x)))


class ITPNBlock(nn.Module):
    """Pre-norm transformer block; each branch is scaled per channel.

    Args:
        embed_dim: Width C of the tokens.
        num_heads: Number of attention heads.
        mlp_ratio: Ratio of the MLP's hidden width to C.
        drop_path: Probability of dropping a branch for a sample in training.
        layer_scale: Initial value of both scales.

    Examples:
        >>> ITPNBlock(embed_dim=32, num_heads=2)(torch.rand(1, 10, 32)).shape
        torch.Size([1, 10, 32])
    """

    #: The layers that write into the residual stream, for ``compress.fit``.
    writers = ('attn.proj', 'mlp.w3')

    def __init__(self, embed_dim: int, num_heads: int, mlp_ratio: float = 3.0, drop_path: float = 0.0,
                 layer_scale: float = 0.1) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(embed_dim, eps=1e-6)
        self.attn = ITPNAttention(embed_dim, num_heads)
        self.gamma_1 = nn.Parameter(torch.full((embed_dim, ), layer_scale))
        self.norm2 = nn.LayerNorm(embed_dim, eps=1e-6)
        self.mlp = SwiGLU(embed_dim, int(embed_dim * mlp_ratio))
        self.gamma_2 = nn.Parameter(torch.full((embed_dim, ), layer_scale))
        self.drop_path = DropPath(drop_path) if drop_path > 0 else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        """Maps tokens (B, T, C) to tokens (B, T, C)."""
        x = x + self.drop_path(self.gamma_1 * self.attn(self.norm1(x)))
        return x + self.drop_path(self.gamma_2 * self.mlp(self.norm2(x)))

    @torch.no_grad()
    def fold_scales(self) -> None:
        """Multiplies the scales into the layers in front of them; the block computes the same."""
        for scale, linear in ((self.gamma_1, self.attn.proj), (self.gamma_2, self.mlp.w3)):
            linear.weight.mul_(scale[:, None])
            linear.bias.mul_(scale)
            scale.fill_(1)
