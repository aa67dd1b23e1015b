"""Parts of a ViT: patch embedding, and a pre-norm block with fused attention.

References:
    An Image is Worth 16x16 Words, arXiv 2010.11929, section 3.1.
    OSTrack, arXiv 2203.11991, section 3.2 (candidate elimination).
"""
from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from mmcv.cnn.bricks import DropPath
from torch import Tensor, nn


class Attention(nn.Module):
    """Multi-head self-attention that never materialises the T x T attention matrix.

    Args:
        embed_dim: Width C of the tokens.
        num_heads: Number of heads; must divide ``embed_dim``.
    """

    def __init__(self, embed_dim: int, num_heads: int) -> None:
        super().__init__()
        if embed_dim % num_heads:
            raise ValueError(f'num_heads={num_heads} does not divide embed_dim={embed_dim}')
        self.num_heads = num_heads
        self.qkv = nn.Linear(embed_dim, 3 * embed_dim)
        self.proj = nn.Linear(embed_dim, embed_dim)

    def forward(self, x: Tensor) -> Tensor:
        """Applies attention to tokens (B, T, C) and returns tokens (B, T, C)."""
        batch, length, width = x.shape
        qkv = self.qkv(x).view(batch, length, 3, self.num_heads, width // self.num_heads)  # (B, T, 3, nh, hd)
        query, key, value = qkv.permute(2, 0, 3, 1, 4).unbind(0)  # each (B, nh, T, hd)
        out = F.scaled_dot_product_attention(query, key, value)  # (B, nh, T, hd)
        return self.proj(out.transpose(1, 2).reshape(batch, length, width))  # (B, T, C)

    @torch.no_grad()
    def of_token(self, x: Tensor, token: int) -> Tensor:
        """Returns how much one token attends to each token (B, T, C), averaged over heads, (B, T)."""
        batch, length, width = x.shape
        weights, biases = self.qkv.weight.chunk(3), self.qkv.bias.chunk(3)
        query = F.linear(x[:, token], weights[0], biases[0]).view(batch, self.num_heads, 1, -1)  # (B, nh, 1, hd)
        key = F.linear(x, weights[1], biases[1]).view(batch, length, self.num_heads, -1)  # (B, T, nh, hd)
        scores = query @ key.permute(0, 2, 3, 1) * query.shape[-1]**-0.5  # (B, nh, 1, T)
        return scores.float().softmax(-1).squeeze(2).mean(1)  # (B, T)


class MLP(nn.Module):
    """Two linear layers with a GELU between them."""

    def __init__(self, embed_dim: int, hidden_dim: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(embed_dim, hidden_dim)
        self.act = nn.GELU()
        self.fc2 = nn.Linear(hidden_dim, embed_dim)

    def forward(self, x: Tensor) -> Tensor:
        """Maps tokens (B, T, C) to tokens (B, T, C)."""
        return self.fc2(self.act(self.fc1(x)))


class ViTBlock(nn.Module):
    """Pre-norm transformer block: attention and MLP, each with a layer norm and a residual connection.

    Args:
        embed_dim: Width C of the tokens.
        num_heads: Number of attention heads.
        mlp_ratio: Ratio of the MLP's hidden width to C.
        drop_path: Probability of dropping a residual branch for a sample in training.
        keep_ratio: Fraction of the search tokens to keep, those that the token ``centre`` attends to most. It takes
            effect only if ``forward`` is given an index map.
        centre: Index of the token in the middle of the template, whose attention ranks the search tokens.

    Examples:
        >>> ViTBlock(embed_dim=32, num_heads=2)(torch.rand(1, 10, 32)).shape
        torch.Size([1, 10, 32])
    """

    def __init__(self, embed_dim: int, num_heads: int, mlp_ratio: float = 4.0, drop_path: float = 0.0,
                 keep_ratio: float = 1.0, centre: int = 0) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(embed_dim, eps=1e-6)
        self.attn = Attention(embed_dim, num_heads)
        self.norm2 = nn.LayerNorm(embed_dim, eps=1e-6)
        self.mlp = MLP(embed_dim, int(embed_dim * mlp_ratio))
        self.drop_path = DropPath(drop_path) if drop_path > 0 else nn.Identity()
        self.keep_ratio, self.centre = keep_ratio, centre

    def forward(self, x: Tensor, kept: Tensor | None = None) -> Tensor | tuple[Tensor, Tensor]:
        """Runs the block.

        Args:
            x: Tokens (B, T, C), search tokens last.
            kept: Positions of the search tokens in the search region, (B, Tx), to allow elimination.

        Returns:
            Tokens (B, T, C); with ``kept``, also the positions, both of which can be shorter.
        """
        normed = self.norm1(x)
        x = x + self.drop_path(self.attn(normed))
        if kept is not None and self.keep_ratio < 1:
            x, kept = self._eliminate(x, kept, self.attn.of_token(normed, self.centre))
        x = x + self.drop_path(self.mlp(self.norm2(x)))
        return x if kept is None else (x, kept)

    def pass_through(self, x: Tensor, kept: Tensor | None = None) -> Tensor | tuple[Tensor, Tensor]:
        """Returns what ``forward`` would return if the block changed nothing."""
        return x if kept is None else (x, kept)

    def _eliminate(self, x: Tensor, kept: Tensor, attention: Tensor) -> tuple[Tensor, Tensor]:
        candidates = kept.shape[1]
        template = x.shape[1] - candidates
        best = attention[:, template:].topk(math.ceil(self.keep_ratio * candidates), dim=1).indices  # (B, Tx')
        best = best.sort(dim=1).values  # in the order of the grid
        search = x[:, template:].gather(1, best.unsqueeze(-1).expand(-1, -1, x.shape[-1]))  # (B, Tx', C)
        return torch.cat([x[:, :template], search], dim=1), kept.gather(1, best)


class PatchEmbed(nn.Module):
    """Cuts an image into patches and projects each to a token."""

    def __init__(self, patch_size: int, embed_dim: int) -> None:
        super().__init__()
        self.proj = nn.Conv2d(3, embed_dim, patch_size, stride=patch_size)

    def forward(self, image: Tensor) -> Tensor:
        """Maps an image (B, 3, H, W) to tokens (B, H/p * W/p, C)."""
        return self.proj(image).flatten(2).transpose(1, 2)
