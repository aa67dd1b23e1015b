"""Transformer block in which templates do not look at the search region, so that it can reuse their keys and values.

References:
    MixFormerV2: Efficient Fully Transformer Tracking, arXiv 2305.15896, section 3.2.
"""
from __future__ import annotations

import torch
import torch.nn.functional as F
from mmcv.cnn.bricks import DropPath
from torch import Tensor, nn

from ..layers.vit import MLP


class AsymmetricAttention(nn.Module):
    """Template tokens attend to template tokens, all other tokens to all tokens.

    Args:
        embed_dim: Width C of the tokens.
        num_heads: Number of heads nh; must divide C. A head has hd = C / nh channels.
    """

    def __init__(self, embed_dim: int, num_heads: int) -> None:
        super().__init__()
        if embed_dim % num_heads:
            raise ValueError(f'num_heads={num_heads} does not divide embed_dim={embed_dim}')
        self.num_heads = num_heads
        self.qkv = nn.Linear(embed_dim, 3 * embed_dim)
        self.proj = nn.Linear(embed_dim, embed_dim)

    def forward(self, x: Tensor, templates: int, known: Tensor | None = None) -> tuple[Tensor, Tensor, Tensor]:
        """Applies attention.

        Args:
            x: Tokens (B, T, C), those of the templates first.
            templates: Number of template tokens in ``x``.
            known: Keys and values (B, 2, nh, Tz, hd) of template tokens that are not in ``x``.

        Returns:
            Tokens (B, T, C), and the keys and values of ``x``, (B, nh, T, hd) each.
        """
        batch, length, width = x.shape
        qkv = self.qkv(x).view(batch, length, 3, self.num_heads, width // self.num_heads)  # (B, T, 3, nh, hd)
        query, key, value = qkv.permute(2, 0, 3, 1, 4).unbind(0)  # each (B, nh, T, hd)
        out = []
        if templates:
            out.append(F.scaled_dot_product_attention(*(part[:, :, :templates] for part in (query, key, value))))
        if templates < length:
            all_keys, all_values = (key, value) if known is None else (
                torch.cat([old, new], 2) for old, new in zip(known.unbind(1), (key, value)))
            out.append(F.scaled_dot_product_attention(query[:, :, templates:], all_keys, all_values))
        joined = torch.cat(out, 2) if len(out) > 1 else out[0]  # (B, nh, T, hd)
        return self.proj(joined.transpose(1, 2).reshape(batch, length, width)), key, value


class AsymmetricBlock(nn.Module):
    """Pre-norm block with asymmetric attention.

    Besides the pass over all tokens, a block can run the templates alone and return their keys and values, and run the
    other tokens alone, given these keys and values. Both together equal the pass over all tokens.

    Args:
        embed_dim: Width C of the tokens.
        num_heads: Number of attention heads.
        templates: Number of template tokens, which come first.
        mlp_ratio: Ratio of the MLP's hidden width to C.
        drop_path: Probability of dropping a residual branch for a sample in training.

    Examples:
        >>> block, x = AsymmetricBlock(embed_dim=32, num_heads=2, templates=4), torch.rand(1, 10, 32)
        >>> templates, known = block(x[:, :4], prepare=True)
        >>> bool(torch.allclose(torch.cat([templates, block(x[:, 4:], known)], 1), block(x), atol=1e-6))
        True
    """

    def __init__(self, embed_dim: int, num_heads: int, templates: int, mlp_ratio: float = 4.0,
                 drop_path: float = 0.0) -> None:
        super().__init__()
        self.templates = templates
        self.norm1 = nn.LayerNorm(embed_dim, eps=1e-6)
        self.attn = AsymmetricAttention(embed_dim, num_heads)
        self.norm2 = nn.LayerNorm(embed_dim, eps=1e-6)
        self.mlp = MLP(embed_dim, int(embed_dim * mlp_ratio))
        self.drop_path = DropPath(drop_path) if drop_path > 0 else nn.Identity()

    def forward(self, x: Tensor, known: Tensor | None = None, prepare: bool = False) -> Tensor | tuple[Tensor, Tensor]:
        """Runs the block.

        Args:
            x: All tokens (B, T, C); only those of the templates with ``prepare``, any number of them; only the others
                with ``known``.
            known: Keys and values (B, 2, nh, Tz, hd) that this block returned for the templates.
            prepare: Whether to return keys and values, too.

        Returns:
            Tokens of the same shape; with ``prepare`` also keys and values (B, 2, nh, T, hd).
        """
        templates = x.shape[1] if prepare else self.templates if known is None else 0
        attended, key, value = self.attn(self.norm1(x), templates, known)
        x = x + self.drop_path(attended)
        x = x + self.drop_path(self.mlp(self.norm2(x)))
        return (x, torch.stack([key, value], 1)) if prepare else x

    def pass_through(self, x: Tensor, known: Tensor | None = None,
                     prepare: bool = False) -> Tensor | tuple[Tensor, Tensor]:
        """Returns what ``forward`` would return if the block changed nothing; nobody reads its keys and values."""
        heads, width = self.attn.num_heads, self.attn.proj.in_features
        return (x, x.new_zeros(len(x), 2, heads, x.shape[1], width // heads)) if prepare else x
