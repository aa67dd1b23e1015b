"""Fast-iTPN, which processes templates, search region and a text token as one sequence of tokens.

References:
    SUTrack: Towards Simple and Unified Single Object Tracking, arXiv 2412.19138, section 3.2.
"""
from __future__ import annotations

from collections.abc import Sequence

import torch
from mmengine.model import BaseModule
from torch import Tensor, nn

from ct_mm.registry import MODELS

from .itpn_blocks import ITPNBlock, PatchMerge, StemBlock

#: Side in pixels of the square that becomes one token.
STRIDE = 16


class FastITPNStem(nn.Module):
    """Convolutional stem: three grids of rising width, each cell of the last one a token.

    Args:
        embed_dim: Width C of the tokens; the first two grids have C / 4 and C / 2 channels.
        depths: Number of blocks on the first and on the second grid.
        in_channels: Channels of an image.
        drop_paths: Drop probability of each block.
    """

    def __init__(self, embed_dim: int, depths: Sequence[int], in_channels: int, drop_paths: Sequence[float]) -> None:
        super().__init__()
        widths, first = (embed_dim // 4, embed_dim // 2), depths[0]
        self.patch_embed = nn.Conv2d(in_channels, widths[0], 4, stride=4)
        self.blocks1 = nn.Sequential(*(StemBlock(widths[0], drop_path=rate) for rate in drop_paths[:first]))
        self.merge1 = PatchMerge(widths[0])
        self.blocks2 = nn.Sequential(*(StemBlock(widths[1], drop_path=rate) for rate in drop_paths[first:]))
        self.merge2 = PatchMerge(widths[1])

    def forward(self, image: Tensor) -> Tensor:
        """Maps images (B, 3, H, W) to tokens (B, H/16 * W/16, C) in raster order."""
        grid = self.merge1(self.blocks1(self.patch_embed(image)))  # (B, C/2, H/8, W/8)
        return self.merge2(self.blocks2(grid)).flatten(2).transpose(1, 2)


@MODELS.register_module()
class FastITPN(BaseModule):
    """One-stream Fast-iTPN: ``[cls, search, template 1, ..., template n, text]`` through equal transformer blocks.

    Each template token is told how much of it lies in the target's box (soft token type). The text token is a constant
    of the weights, because no description is given in RGB tracking.

    Args:
        embed_dim: Width C of the tokens.
        depth: Number of transformer blocks.
        num_heads: Number of attention heads.
        stem_depths: Number of convolutional blocks at C / 4 and at C / 2.
        template_size: Side of a template in pixels, a multiple of 16.
        search_size: Side of the search region in pixels, a multiple of 16.
        num_templates: Number of templates n.
        mlp_ratio: Ratio of the MLPs' hidden width to C.
        drop_path_rate: Drop probability of the last block; it grows linearly from 0 over the blocks, the stem's first.
        layer_scale: Initial value of the scales of the branches.
        in_channels: 3, or 6 for the stem as released, whose second half takes another modality. An RGB image goes into
            both halves.
        text: Whether there is a text token. Without it, SUTrack is another model.
        init_cfg: Initialisation config of MMEngine.

    Raises:
        ValueError: A size is not a multiple of 16, or C not of 4.

    Examples:
        >>> backbone = FastITPN(32, depth=2, num_heads=2, stem_depths=(1, 1), template_size=32, search_size=64)
        >>> backbone(torch.rand(1, 2, 3, 32, 32), torch.rand(1, 2, 2, 2), torch.rand(1, 3, 64, 64)).shape
        torch.Size([1, 26, 32])
    """

    def __init__(self, embed_dim: int, depth: int, num_heads: int, stem_depths: Sequence[int] = (3, 3),
                 template_size: int = 112, search_size: int = 224, num_templates: int = 2, mlp_ratio: float = 3.0,
                 drop_path_rate: float = 0.1, layer_scale: float = 0.1, in_channels: int = 3, text: bool = True,
                 init_cfg: dict | None = None) -> None:
        super().__init__(init_cfg)
        for name, size, step in (('template_size', template_size, STRIDE), ('search_size', search_size, STRIDE),
                                 ('embed_dim', embed_dim, 4)):
            if size % step:
                raise ValueError(f'{name}={size} is not a multiple of {step}')
        self.template_size, self.search_size, self.num_templates = template_size, search_size, num_templates
        template, search = (template_size // STRIDE)**2, (search_size // STRIDE)**2
        #: Number of tokens of each kind behind the first token. The mimic loss weights the groups equally.
        self.token_groups = dict(search=search, template=num_templates * template)
        self.in_channels, self.embed_dim = in_channels, embed_dim
        total = sum(stem_depths) + depth
        rates = [drop_path_rate * i / max(total - 1, 1) for i in range(total)]
        self.stem = FastITPNStem(embed_dim, stem_depths, in_channels, rates[:sum(stem_depths)])
        self.cls_token = nn.Parameter(torch.zeros(1, 1, embed_dim))
        self.text_token = nn.Parameter(torch.zeros(1, 1, embed_dim)) if text else None
        self.pos_embed_search = nn.Parameter(torch.zeros(1, search, embed_dim))
        self.pos_embed_template = nn.Parameter(torch.zeros(1, template, embed_dim))
        self.search_type, self.foreground_type, self.background_type = (
            nn.Parameter(torch.zeros(embed_dim)) for _ in range(3))
        self.blocks = nn.ModuleList(ITPNBlock(embed_dim, num_heads, mlp_ratio, rate, layer_scale)
                                    for rate in rates[sum(stem_depths):])
        self.norm = nn.LayerNorm(embed_dim, eps=1e-6)
        self._reset_parameters()

    def _reset_parameters(self) -> None:
        for parameter in self.parameters(recurse=False):
            nn.init.trunc_normal_(parameter, std=0.02)
        for module in self.modules():
            if isinstance(module, (nn.Linear, nn.Conv2d)):
                nn.init.trunc_normal_(module.weight, std=0.02)
                if module.bias is not None:
                    nn.init.zeros_(module.bias)

    def forward(self, template: Tensor, template_mask: Tensor, search: Tensor, text: Tensor | None = None) -> Tensor:
        """Runs all images through the layers.

        Args:
            template: Normalised templates (B, n, 3, template_size, template_size).
            template_mask: Part of each template token inside the target's box, (B, n, G, G) in [0, 1].
            search: Normalised search region (B, 3, search_size, search_size).
            text: Text token of each sample (B, 1, C). Default: the constant one.

        Returns:
            Tokens (B, T, C) after the final norm: cls, search, templates in order, text.

        Raises:
            ValueError: If the number or the size of the images does not match the backbone.
        """
        tokens = self.embed(template, template_mask, search, text)  # (B, T, C)
        for block in self.blocks:
            tokens = block(tokens)
        return self.norm(tokens)

    def embed(self, template: Tensor, template_mask: Tensor, search: Tensor, text: Tensor | None = None) -> Tensor:
        """Returns the tokens (B, T, C) in front of the first block; arguments as in ``forward``."""
        self._check(template, template_mask, search)
        batch = search.shape[0]
        x = self._tokens(search) + self.pos_embed_search + self.search_type  # (B, Tx, C)
        inside = template_mask.reshape(-1, self.pos_embed_template.shape[1], 1)  # (B*n, Tz, 1)
        z = self._tokens(template.flatten(0, 1)) + self.pos_embed_template  # (B*n, Tz, C)
        z = z + inside * self.foreground_type + (1 - inside) * self.background_type
        z = z.reshape(batch, -1, self.embed_dim)  # (B, n*Tz, C)
        text = self.text_token if text is None else text
        constant = [token.expand(batch, -1, -1) for token in (self.cls_token, text) if token is not None]
        return torch.cat([constant[0], x, z, *constant[1:]], dim=1)

    def _tokens(self, image: Tensor) -> Tensor:
        return self.stem(torch.cat([image, image], 1) if image.shape[1] * 2 == self.in_channels else image)

    def search_tokens(self, tokens: Tensor) -> Tensor:
        """Picks the search tokens (B, Tx, C) from all tokens (B, T, C)."""
        return tokens[:, 1:1 + self.token_groups['search']]

    def stage_tokens(self, output: Tensor) -> tuple[Tensor, None]:
        """Picks the tokens of ``token_groups``, all of them present, from the output (B, T, C) of a block."""
        return output[:, 1:1 + sum(self.token_groups.values())], None

    def _check(self, template: Tensor, mask: Tensor, search: Tensor) -> None:
        side, number = self.template_size, self.num_templates
        if template.dim() != 5 or template.shape[1] != number:
            found = template.shape[1] if template.dim() == 5 else 1
            raise ValueError(f'the backbone was built with num_templates={number}, but got {found}: template '
                             f'{tuple(template.shape)}; set num_templates in the source of pairs (ct_mm.SequencePairs) '
                             f'and in the memory of the tracker to the same number')
        for name, image, size in (('template', template, side), ('search', search, self.search_size)):
            if image.shape[-2:] != (size, size):
                raise ValueError(
                    f'{name} is {tuple(image.shape[-2:])} pixels, but the backbone was built with {name}_size={size}')
        if mask.shape[1:] != (number, side // STRIDE, side // STRIDE):
            raise ValueError(f'template_mask has shape {tuple(mask.shape)}, but {number} templates of {side} pixels '
                             f'need (B, {number}, {side // STRIDE}, {side // STRIDE}): put ct_mm.TemplateMask with '
                             f'cell={STRIDE} after ct_mm.CropPair')
