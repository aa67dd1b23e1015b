"""DINOv2's ViT on the template and the search region as one sequence of tokens.

References:
    Tracking Meets LoRA: Faster Training, Larger Model, Stronger Performance (LoRAT), arXiv 2403.05231, section 3.
    DINOv2, arXiv 2304.07193.
"""
from __future__ import annotations

import torch
from mmengine.model import BaseModule
from torch import Tensor, nn

from ct_mm.registry import MODELS

from ..layers.vit import PatchEmbed
from .blocks import DINOv2Block
from .lora import add_lora


@MODELS.register_module()
class OneStreamDINOv2(BaseModule):
    """One-stream DINOv2. One position table serves both images: the template has its top-left corner.

    Each token is also told its type: background of the template, target in the template, or search region.

    With ``lora_rank``, only low-rank factors beside each linear layer, and the type embedding, are trained; all else
    keeps its pretrained values. Without it, the default, the model is an ordinary ViT, and everything is trained.

    Args:
        embed_dim: Width C of the tokens.
        depth: Number of layers.
        num_heads: Number of attention heads; must divide ``embed_dim``.
        mlp_ratio: Ratio of the MLPs' hidden width to C.
        gated: Whether the MLPs are gated, as in DINOv2's ViT-g.
        patch_size: Side of a patch in pixels.
        template_size: Side of the template in pixels, a multiple of ``patch_size``.
        search_size: Side of the search region in pixels, a multiple of ``patch_size``, not below ``template_size``.
        drop_path_rate: Drop path rate of every layer. A branch is dropped for each sample by itself; above 0.1, which
            only ViT-g has, DINOv2 instead runs it on a part of the batch.
        lora_rank: Rank of the low-rank factors; 0 means none.
        lora_alpha: The factors' product is multiplied by ``lora_alpha / lora_rank``. Default: ``lora_rank``.
        init_cfg: Initialisation config of MMEngine.

    Raises:
        ValueError: If a size is not a multiple of the patch size, the template is larger than the search region, or
            the number of heads does not divide the width.

    Examples:
        >>> backbone = OneStreamDINOv2(embed_dim=32, depth=2, num_heads=2, template_size=56, search_size=112)
        >>> backbone(torch.rand(1, 3, 56, 56), torch.ones(1, 4, 4), torch.rand(1, 3, 112, 112)).shape  # 16 + 64 tokens
        torch.Size([1, 80, 32])
    """

    def __init__(self, embed_dim: int = 768, depth: int = 12, num_heads: int = 12, mlp_ratio: float = 4.0,
                 gated: bool = False, patch_size: int = 14, template_size: int = 112, search_size: int = 224,
                 drop_path_rate: float = 0.0, lora_rank: int = 0, lora_alpha: int | None = None,
                 init_cfg: dict | None = None) -> None:
        super().__init__(init_cfg)
        for name, size in (('template_size', template_size), ('search_size', search_size)):
            if size % patch_size:
                raise ValueError(f'{name}={size} is not a multiple of patch_size={patch_size}')
        if template_size > search_size:
            raise ValueError(f'template_size={template_size} is above search_size={search_size}, whose positions the '
                             'template shares')
        self.embed_dim, self.template_size, self.search_size = embed_dim, template_size, search_size
        self.sides = template_size // patch_size, search_size // patch_size
        #: Number of tokens of each kind in the sequence, in order. The mimic loss weights the groups equally.
        self.token_groups = dict(template=self.sides[0]**2, search=self.sides[1]**2)
        self.patch_embed = PatchEmbed(patch_size, embed_dim)
        self.pos_embed = nn.Parameter(torch.zeros(1, self.token_groups['search'], embed_dim))
        self.token_type_embed = nn.Parameter(torch.zeros(3, embed_dim))
        self.blocks = nn.ModuleList(
            DINOv2Block(embed_dim, num_heads, mlp_ratio, gated, drop_path_rate) for _ in range(depth))
        self.norm = nn.LayerNorm(embed_dim, eps=1e-6)
        self._reset_parameters()
        if lora_rank:
            self.requires_grad_(False)
            self.token_type_embed.requires_grad_(True)
            alpha = lora_rank if lora_alpha is None else lora_alpha
            add_lora(self.blocks, lora_rank, alpha)
            self.register_buffer('lora_alpha', torch.tensor(alpha))  # folding the factors needs it

    def _reset_parameters(self) -> None:
        for embedding in (self.pos_embed, self.token_type_embed):
            nn.init.trunc_normal_(embedding, std=0.02)
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.trunc_normal_(module.weight, std=0.02)
                nn.init.zeros_(module.bias)

    def forward(self, template: Tensor, template_mask: Tensor, search: Tensor) -> Tensor:
        """Runs both images through the layers.

        Args:
            template: Normalised template (B, 3, template_size, template_size).
            template_mask: Which tokens of the template show the target, (B, G, G), 0 or 1.
            search: Normalised search region (B, 3, search_size, search_size).

        Returns:
            Tokens (B, T, C) after the final norm, template tokens first.

        Raises:
            ValueError: If the size of an image or of the mask does not match the sizes of the model.
        """
        tokens = self.embed(template, template_mask, search)  # (B, T, C)
        for block in self.blocks:
            tokens = block(tokens)
        return self.norm(tokens)

    def embed(self, template: Tensor, template_mask: Tensor, search: Tensor) -> Tensor:
        """Makes the tokens (B, T, C) in front of the first block from the arguments of ``forward``."""
        for name, image, size in (('template', template, self.template_size), ('search', search, self.search_size)):
            if image.shape[-2:] != (size, size):
                raise ValueError(
                    f'{name} is {tuple(image.shape[-2:])} pixels, but the backbone was built with {name}_size={size}')
        z_side, x_side = self.sides
        if template_mask.shape[1:] != (z_side, z_side):
            raise ValueError(f'template_mask is {tuple(template_mask.shape)}, but must be (B, {z_side}, {z_side})')
        grid = self.pos_embed.view(1, x_side, x_side, -1)
        corner = grid[:, :z_side, :z_side].flatten(1, 2)  # (1, Tz, C)
        background, target, searched = self.token_type_embed  # (C,) each
        mask = template_mask.flatten(1).unsqueeze(-1).to(target.dtype)  # (B, Tz, 1)
        z = self.patch_embed(template) + corner + (background * (1 - mask) + target * mask)  # (B, Tz, C)
        x = self.patch_embed(search) + self.pos_embed + searched  # (B, Tx, C)
        return torch.cat([z, x], dim=1)
