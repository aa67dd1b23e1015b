"""ViT over templates, search region and four regression tokens, with asymmetric attention.

References:
    MixFormerV2: Efficient Fully Transformer Tracking, arXiv 2305.15896, sections 3.1 and 3.2.
    Masked Autoencoders Are Scalable Vision Learners, arXiv 2111.06377 (the position tables).
"""
from __future__ import annotations

import torch
from mmengine.model import BaseModule
from torch import Tensor, nn

from ct_mm.registry import MODELS

from ..layers.vit import PatchEmbed
from .asymmetric_block import AsymmetricBlock

#: Regression tokens: one for each edge of the box.
EDGES = 4


def sine_cosine_positions(side: int, embed_dim: int) -> Tensor:
    """Returns fixed positions of a square grid: the first half encodes the column, the second half the row.

    Args:
        side: Side of the grid in tokens.
        embed_dim: Width C of the tokens, a multiple of 4.

    Returns:
        Positions (1, side * side, C) float32, in raster order.

    Examples:
        >>> sine_cosine_positions(2, 4).tolist()[0][1]  # row 0, column 1: sin 1, cos 1, sin 0, cos 0
        [0.8414709568023682, 0.5403022766113281, 0.0, 1.0]
    """
    quarter = torch.arange(embed_dim // 4, dtype=torch.float32) / (embed_dim / 4)
    angles = torch.outer(torch.arange(side, dtype=torch.float32), 1 / 10000**quarter)  # (S, C/4)
    wave = torch.cat([angles.sin(), angles.cos()], 1)  # (S, C/2)
    column, row = wave.repeat(side, 1), wave.repeat_interleave(side, 0)  # (S*S, C/2) each
    return torch.cat([column, row], 1)[None]


@MODELS.register_module()
class MixFormerV2ViT(BaseModule):
    """ViT on the tokens ``[template 1, ..., template n, search region, 4 regression tokens]``.

    There is no class token and no norm after the last block. All templates share one table of positions. Because the
    templates do not depend on the search region, ``prepare`` computes their keys and values once and ``search_only``
    reuses them in every frame.

    Args:
        embed_dim: Width C of the tokens, a multiple of 4.
        depth: Number of layers L.
        num_heads: Number of attention heads nh, of hd = C / nh channels.
        mlp_ratio: Ratio of the MLPs' hidden width to C.
        patch_size: Side of a patch in pixels.
        template_size: Side of a template in pixels, a multiple of ``patch_size``.
        search_size: Side of the search region in pixels, a multiple of ``patch_size``.
        num_templates: Number of templates n: two in all published models, the first one and an online template.
        drop_path_rate: Drop path rate of the last layer; it increases linearly from 0 in the first layer.
        init_cfg: Initialisation config of MMEngine.

    Raises:
        ValueError: If a size is not a multiple of the patch size, or the width is no multiple of 4 and of the heads.

    Examples:
        >>> backbone = MixFormerV2ViT(embed_dim=32, depth=2, num_heads=2, template_size=32, search_size=64)
        >>> backbone(torch.rand(1, 2, 3, 32, 32), torch.rand(1, 3, 64, 64)).shape  # 2 * 4 + 16 + 4 tokens
        torch.Size([1, 28, 32])
    """

    def __init__(self, embed_dim: int = 768, depth: int = 8, num_heads: int = 12, mlp_ratio: float = 4.0,
                 patch_size: int = 16, template_size: int = 128, search_size: int = 288, num_templates: int = 2,
                 drop_path_rate: float = 0.0, init_cfg: dict | None = None) -> None:
        super().__init__(init_cfg)
        for name, size, step in (('template_size', template_size, patch_size), ('search_size', search_size, patch_size),
                                 ('embed_dim', embed_dim, 4)):
            if size % step:
                raise ValueError(f'{name}={size} is not a multiple of {step}')
        self.embed_dim, self.num_templates = embed_dim, num_templates
        self.template_size, self.search_size = template_size, search_size
        cells, side = template_size // patch_size, search_size // patch_size
        #: Number of tokens of each kind in the sequence, in order. The mimic loss weights the groups equally.
        self.token_groups = dict(template=num_templates * cells**2, search=side**2, regression=EDGES)
        #: Shape of what ``prepare`` returns, without the batch.
        self.prepared_shape = (depth, 2, num_heads, self.token_groups['template'], embed_dim // num_heads)
        self.patch_embed = PatchEmbed(patch_size, embed_dim)
        self.register_buffer('pos_embed_template', sine_cosine_positions(cells, embed_dim), persistent=False)
        self.register_buffer('pos_embed_search', sine_cosine_positions(side, embed_dim), persistent=False)
        self.reg_tokens = nn.Parameter(torch.zeros(1, EDGES, embed_dim))
        self.pos_embed_reg = nn.Parameter(torch.zeros(1, EDGES, embed_dim))
        self.blocks = nn.ModuleList(
            AsymmetricBlock(embed_dim, num_heads, self.token_groups['template'], mlp_ratio,
                            drop_path_rate * i / max(depth - 1, 1)) for i in range(depth))
        self._reset_parameters()

    def _reset_parameters(self) -> None:
        nn.init.trunc_normal_(self.reg_tokens, std=0.02)
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.trunc_normal_(module.weight, std=0.02)
                nn.init.zeros_(module.bias)

    def forward(self, template: Tensor, search: Tensor) -> Tensor:
        """Runs all images through the layers.

        Args:
            template: Normalised templates (B, n, 3, template_size, template_size).
            search: Normalised search region (B, 3, search_size, search_size).

        Returns:
            Tokens (B, T, C) of the last layer: templates, search region, regression tokens.

        Raises:
            ValueError: If the number or the size of the images does not match the backbone.
        """
        if template.dim() != 5 or template.shape[1] != self.num_templates:
            found = template.shape[1] if template.dim() == 5 else 1
            raise ValueError(f'the backbone was built with num_templates={self.num_templates}, but got {found}: '
                             f'template {tuple(template.shape)}; set num_templates in the source of pairs '
                             f'(ct_mm.SequencePairs) and the slots in the memory of the tracker to the same number')
        tokens = torch.cat([self._embed_templates(template), self._embed_search(search)], 1)  # (B, T, C)
        for block in self.blocks:
            tokens = block(tokens)
        return tokens

    def prepare(self, template: Tensor) -> Tensor:
        """Computes what the search region needs of the templates; valid until a template changes.

        Args:
            template: Normalised templates (B, n, 3, template_size, template_size), any number n of them.

        Returns:
            Keys and values of each layer, (B, L, 2, nh, n*Tz, hd).
        """
        tokens, known = self._embed_templates(template), []  # (B, n*Tz, C)
        for block in self.blocks:
            tokens, keys_values = block(tokens, prepare=True)
            known.append(keys_values)
        return torch.stack(known, 1)

    def search_only(self, search: Tensor, known: Tensor) -> Tensor:
        """Runs a search region, given what ``prepare`` returned for the templates.

        Args:
            search: Normalised search region (B, 3, search_size, search_size).
            known: Keys and values (B, L, 2, nh, n*Tz, hd).

        Returns:
            Tokens (B, Tx + 4, C) of the last layer: search region, regression tokens.
        """
        tokens = self._embed_search(search)  # (B, Tx + 4, C)
        for block, keys_values in zip(self.blocks, known.unbind(1), strict=True):
            tokens = block(tokens, keys_values)
        return tokens

    def _embed_templates(self, template: Tensor) -> Tensor:
        self._check('template', template)
        tokens = self.patch_embed(template.flatten(0, 1)) + self.pos_embed_template  # (B*n, Tz, C)
        return tokens.reshape(len(template), -1, self.embed_dim)

    def _embed_search(self, search: Tensor) -> Tensor:
        self._check('search', search)
        regression = (self.reg_tokens + self.pos_embed_reg).expand(len(search), -1, -1)  # (B, 4, C)
        return torch.cat([self.patch_embed(search) + self.pos_embed_search, regression], 1)

    def _check(self, name: str, image: Tensor) -> None:
        size = getattr(self, f'{name}_size')
        if image.shape[-2:] != (size, size):
            raise ValueError(
                f'{name} is {tuple(image.shape[-2:])} pixels, but the backbone was built with {name}_size={size}')
