"""A plain ViT that reads the template and the search region as one sequence of tokens.

References:
    Joint Feature Learning and Relation Modeling for Tracking: A One-Stream Framework (OSTrack),
    arXiv 2203.11991, section 3.1.
"""
from __future__ import annotations

import torch
from mmengine.model import BaseModule
from torch import Tensor, nn

from ct_mm.registry import MODELS

from .vit_block import ViTBlock


class PatchEmbed(nn.Module):
    """Cuts an image into patches and projects each to a token."""

    def __init__(self, patch_size: int, embed_dim: int) -> None:
        super().__init__()
        self.proj = nn.Conv2d(3, embed_dim, patch_size, stride=patch_size)

    def forward(self, image: Tensor) -> Tensor:
        """(B, 3, H, W) -> (B, H/p * W/p, C)."""
        return self.proj(image).flatten(2).transpose(1, 2)


@MODELS.register_module()
class OneStreamViT(BaseModule):
    """One-stream ViT: template and search tokens attend to each other in every layer.

    Candidate elimination, which has no parameters, is left out: the token count is constant.

    Args:
        embed_dim: Width C of the tokens.
        depth: Number of layers.
        num_heads: Number of attention heads; must divide ``embed_dim``.
        mlp_ratio: Hidden width of the MLPs over C.
        patch_size: Side of a patch in pixels.
        template_size: Side of the template in pixels, a multiple of ``patch_size``.
        search_size: Side of the search region in pixels, a multiple of ``patch_size``.
        drop_path_rate: Drop path of the last layer; it grows linearly from 0 at the first.
        init_cfg: MMEngine's initialisation config.

    Raises:
        ValueError: If a size is no multiple of the patch size, or the heads do not divide the width.
    """

    def __init__(
        self,
        embed_dim: int = 768,
        depth: int = 12,
        num_heads: int = 12,
        mlp_ratio: float = 4.0,
        patch_size: int = 16,
        template_size: int = 128,
        search_size: int = 256,
        drop_path_rate: float = 0.0,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(init_cfg)
        for name, size in (('template_size', template_size), ('search_size', search_size)):
            if size % patch_size:
                raise ValueError(f'{name}={size} is no multiple of patch_size={patch_size}')
        self.embed_dim = embed_dim
        self.template_size, self.search_size = template_size, search_size
        #: How many tokens of each kind the sequence holds, in order. The mimic loss weighs the groups alike.
        self.token_groups = {
            'template': (template_size // patch_size)**2,
            'search': (search_size // patch_size)**2,
        }
        self.patch_embed = PatchEmbed(patch_size, embed_dim)
        self.pos_embed_template = nn.Parameter(torch.zeros(1, self.token_groups['template'], embed_dim))
        self.pos_embed_search = nn.Parameter(torch.zeros(1, self.token_groups['search'], embed_dim))
        self.blocks = nn.ModuleList(
            ViTBlock(embed_dim, num_heads, mlp_ratio, drop_path_rate * i / max(depth - 1, 1)) for i in range(depth))
        self.norm = nn.LayerNorm(embed_dim, eps=1e-6)
        self._reset_parameters()

    def _reset_parameters(self) -> None:
        for position in (self.pos_embed_template, self.pos_embed_search):
            nn.init.trunc_normal_(position, std=0.02)
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.trunc_normal_(module.weight, std=0.02)
                nn.init.zeros_(module.bias)

    def forward(self, template: Tensor, search: Tensor) -> Tensor:
        """Runs both images through the layers together.

        Args:
            template: Normalised template (B, 3, template_size, template_size).
            search: Normalised search region (B, 3, search_size, search_size).

        Returns:
            Tokens (B, T, C) after the final norm, template tokens first.

        Raises:
            ValueError: If an image has another size than the position embedding was made for.
        """
        for name, image, size in (('template', template, self.template_size), ('search', search, self.search_size)):
            if image.shape[-2:] != (size, size):
                raise ValueError(
                    f'{name} is {tuple(image.shape[-2:])} pixels, but the backbone was built with {name}_size={size}')
        z = self.patch_embed(template) + self.pos_embed_template  # (B, Tz, C)
        x = self.patch_embed(search) + self.pos_embed_search  # (B, Tx, C)
        tokens = torch.cat([z, x], dim=1)  # (B, T, C)
        for block in self.blocks:
            tokens = block(tokens)
        return self.norm(tokens)
