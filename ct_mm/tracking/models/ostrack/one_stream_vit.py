"""A plain ViT that processes the template and the search region as one sequence of tokens.

References:
    Joint Feature Learning and Relation Modeling for Tracking: A One-Stream Framework (OSTrack),
    arXiv 2203.11991, sections 3.1 and 3.2.
"""
from __future__ import annotations

from collections.abc import Sequence

import torch
from mmengine.model import BaseModule
from torch import Tensor, nn

from ct_mm.registry import MODELS

from ..layers.vit import PatchEmbed, ViTBlock


@MODELS.register_module()
class OneStreamViT(BaseModule):
    """One-stream ViT, in which template and search tokens attend to each other in every layer.

    Candidate elimination is off unless ``ce_layers`` names layers for it. These layers drop the search tokens that the
    centre of the template attends to least; dropped tokens are zero in the output. Elimination has no parameters.
    OSTrack uses layers 3, 6 and 9 and keeps 0.7 in each, decreasing the ratio from 1 in the first epochs of training;
    here the ratio is fixed.

    Args:
        embed_dim: Width C of the tokens.
        depth: Number of layers.
        num_heads: Number of attention heads; must divide ``embed_dim``.
        mlp_ratio: Ratio of the MLPs' hidden width to C.
        patch_size: Side of a patch in pixels.
        template_size: Side of the template in pixels, a multiple of ``patch_size``.
        search_size: Side of the search region in pixels, a multiple of ``patch_size``.
        drop_path_rate: Drop path rate of the last layer; it increases linearly from 0 in the first layer.
        ce_layers: Indices of the layers that eliminate candidates, counted from 0.
        ce_keep_ratio: Fraction of search tokens that each of these layers keeps, rounded up.
        init_cfg: Initialisation config of MMEngine.

    Raises:
        ValueError: If a size is not a multiple of the patch size, the number of heads does not divide the width, a
            layer does not exist, or the ratio is not in (0, 1].

    Examples:
        >>> backbone = OneStreamViT(embed_dim=32, depth=2, num_heads=2, template_size=64, search_size=128)
        >>> backbone(torch.rand(1, 3, 64, 64), torch.rand(1, 3, 128, 128)).shape  # 16 + 64 tokens
        torch.Size([1, 80, 32])
    """

    def __init__(self, embed_dim: int = 768, depth: int = 12, num_heads: int = 12, mlp_ratio: float = 4.0,
                 patch_size: int = 16, template_size: int = 128, search_size: int = 256, drop_path_rate: float = 0.0,
                 ce_layers: Sequence[int] = (), ce_keep_ratio: float = 0.7, init_cfg: dict | None = None) -> None:
        super().__init__(init_cfg)
        for name, size in (('template_size', template_size), ('search_size', search_size)):
            if size % patch_size:
                raise ValueError(f'{name}={size} is not a multiple of patch_size={patch_size}')
        if not all(0 <= layer < depth for layer in ce_layers) or not 0 < ce_keep_ratio <= 1:
            raise ValueError(f'ce_layers={list(ce_layers)} must be indices of the {depth} layers, counted from 0, and '
                             f'ce_keep_ratio={ce_keep_ratio} must be in (0, 1]')
        self.embed_dim, self.ce_layers = embed_dim, tuple(ce_layers)
        self.template_size, self.search_size = template_size, search_size
        #: Number of tokens of each kind in the sequence, in order. The mimic loss weights the groups equally.
        self.token_groups = dict(template=(template_size // patch_size)**2, search=(search_size // patch_size)**2)
        self.patch_embed = PatchEmbed(patch_size, embed_dim)
        self.pos_embed_template = nn.Parameter(torch.zeros(1, self.token_groups['template'], embed_dim))
        self.pos_embed_search = nn.Parameter(torch.zeros(1, self.token_groups['search'], embed_dim))
        side = template_size // patch_size
        self.blocks = nn.ModuleList(
            ViTBlock(embed_dim, num_heads, mlp_ratio, drop_path_rate * i / max(depth - 1, 1),
                     keep_ratio=ce_keep_ratio if i in ce_layers else 1.0, centre=(side - 1) // 2 * (side + 1))
            for i in range(depth))
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
        """Runs both images through the layers.

        Args:
            template: Normalised template (B, 3, template_size, template_size).
            search: Normalised search region (B, 3, search_size, search_size).

        Returns:
            Tokens (B, T, C) after the final norm, template tokens first.

        Raises:
            ValueError: If the size of an image does not match the position embedding.
        """
        for name, image, size in (('template', template, self.template_size), ('search', search, self.search_size)):
            if image.shape[-2:] != (size, size):
                raise ValueError(
                    f'{name} is {tuple(image.shape[-2:])} pixels, but the backbone was built with {name}_size={size}')
        z = self.patch_embed(template) + self.pos_embed_template  # (B, Tz, C)
        x = self.patch_embed(search) + self.pos_embed_search  # (B, Tx, C)
        tokens = torch.cat([z, x], dim=1)  # (B, T, C)
        if self.ce_layers:
            return self._forward_eliminating(tokens)
        for block in self.blocks:
            tokens = block(tokens)
        return self.norm(tokens)

    def _forward_eliminating(self, tokens: Tensor) -> Tensor:
        kept = torch.arange(self.token_groups['search'], device=tokens.device).expand(len(tokens), -1)  # (B, Tx)
        for block in self.blocks:
            tokens, kept = block(tokens, kept)
        return self.stage_tokens((self.norm(tokens), kept))[0]

    def stage_tokens(self, output: Tensor | tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor | None]:
        """Restores the full grid of tokens from the output of a block.

        Args:
            output: Tokens (B, T, C), or the remaining tokens and the positions of the search tokens among them.

        Returns:
            Tokens (B, T, C), zero if eliminated, and whether each token remains, (B, T) bool or ``None`` for all.
        """
        if isinstance(output, Tensor):
            return output, None
        tokens, kept = output
        template, total = tokens.shape[1] - kept.shape[1], sum(self.token_groups.values())
        places = torch.cat([torch.arange(template, device=kept.device).expand(len(kept), -1), kept + template], 1)
        grid = tokens.new_zeros(len(tokens), total, tokens.shape[-1])
        left = torch.zeros(grid.shape[:2], dtype=torch.bool, device=kept.device).scatter(1, places, True)
        return grid.scatter(1, places.unsqueeze(-1).expand_as(tokens), tokens), left
