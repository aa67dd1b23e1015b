"""The pre-norm transformer block of ViT, its attention fused into one call.

References:
    An Image is Worth 16x16 Words, arXiv 2010.11929, section 3.1.
"""
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
        """(B, T, C) -> (B, T, C)."""
        batch, length, width = x.shape
        qkv = self.qkv(x).view(batch, length, 3, self.num_heads, width // self.num_heads)  # (B, T, 3, nh, hd)
        query, key, value = qkv.permute(2, 0, 3, 1, 4).unbind(0)  # each (B, nh, T, hd)
        out = F.scaled_dot_product_attention(query, key, value)  # (B, nh, T, hd)
        return self.proj(out.transpose(1, 2).reshape(batch, length, width))  # (B, T, C)


class MLP(nn.Module):
    """Two linear layers with a GELU between them."""

    def __init__(self, embed_dim: int, hidden_dim: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(embed_dim, hidden_dim)
        self.act = nn.GELU()
        self.fc2 = nn.Linear(hidden_dim, embed_dim)

    def forward(self, x: Tensor) -> Tensor:
        """(B, T, C) -> (B, T, C)."""
        return self.fc2(self.act(self.fc1(x)))


class ViTBlock(nn.Module):
    """Attention and MLP, each behind a norm and a residual connection.

    Args:
        embed_dim: Width C of the tokens.
        num_heads: Number of attention heads.
        mlp_ratio: Hidden width of the MLP over C.
        drop_path: Probability that a residual branch is dropped for a sample in training.
    """

    def __init__(self, embed_dim: int, num_heads: int, mlp_ratio: float = 4.0, drop_path: float = 0.0) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(embed_dim, eps=1e-6)
        self.attn = Attention(embed_dim, num_heads)
        self.norm2 = nn.LayerNorm(embed_dim, eps=1e-6)
        self.mlp = MLP(embed_dim, int(embed_dim * mlp_ratio))
        self.drop_path = DropPath(drop_path) if drop_path > 0 else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        """(B, T, C) -> (B, T, C)."""
        x = x + self.drop_path(self.attn(self.norm1(x)))
        return x + self.drop_path(self.mlp(self.norm2(x)))
