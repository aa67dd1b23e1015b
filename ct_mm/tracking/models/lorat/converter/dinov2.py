"""The weights of a plain DINOv2 ViT, which a released LoRAT is trained beside and does not contain."""
from __future__ import annotations

import math
import re
from collections.abc import Mapping

import torch.nn.functional as F
from torch import Tensor

from ct_mm.tracking.models.released_weights import list_some, shape_of

#: Weights of DINOv2 that LoRAT does not use.
UNUSED = ('cls_token', 'mask_token')

_KEY = re.compile(r'(patch_embed\.proj|norm|blocks\.\d+\.(norm[12]|attn\.(qkv|proj)|mlp\.(fc[12]|w12|w3)))'
                  r'\.(weight|bias)|blocks\.\d+\.ls[12]\.gamma')


def convert_dinov2_keys(state: Mapping[str, Tensor], search_size: int) -> tuple[dict[str, Tensor], list[str]]:
    """Selects the weights that a tracker uses and resizes the position table to its search region.

    Args:
        state: Weights by the names of DINOv2's code.
        search_size: Side of the search region in pixels.

    Returns:
        Weights by the same names, ``pos_embed`` (1, S*S, C) among them, and the names of those that are left out.

    Raises:
        ValueError: If it is another model; the message says which, if possible.
    """
    if 'register_tokens' in state:
        raise ValueError('this DINOv2 has register tokens; LoRAT was trained beside the one without (such as '
                         'dinov2_vitb14_pretrain.pth)')
    missing = [key for key in ('pos_embed', 'patch_embed.proj.weight', 'norm.weight', 'blocks.0.ls1.gamma')
               if key not in state]
    if missing:
        raise ValueError(f'this is no DINOv2 model: {", ".join(missing)} missing; found {list_some(list(state))}')
    if any(re.match(r'blocks\.\d+\.\d+\.', key) for key in state):
        raise ValueError('its blocks are stored in chunks (blocks.0.0.…); give the pretrained file of the whole model')
    kept = {key: value for key, value in state.items() if _KEY.fullmatch(key)}
    unknown = [key for key in state if key not in kept and key not in (*UNUSED, 'pos_embed')]
    if unknown:
        raise ValueError(f'this is no plain DINOv2 model: {len(unknown)} unknown weights, {list_some(unknown)}')
    patch = shape_of(state, 'patch_embed.proj.weight', 4)[-1]
    rows = shape_of(state, 'pos_embed', 3)[1] - 1  # the first one belongs to the class token
    if math.isqrt(rows)**2 != rows:
        raise ValueError(f'pos_embed has {rows + 1} rows, which are not a class token and a square grid')
    kept['pos_embed'] = resize_positions(state['pos_embed'][:, 1:], search_size // patch)
    return kept, [key for key in state if key in UNUSED]


def resize_positions(table: Tensor, side: int) -> Tensor:
    """Resizes a table of positions as LoRAT does: bicubic, not antialiased, by the target size.

    Args:
        table: Positions (1, G*G, C) of a square grid.
        side: Side of the new grid.

    Returns:
        Positions (1, side*side, C), float32.
    """
    grid = math.isqrt(table.shape[1])
    image = table.float().transpose(1, 2).unflatten(2, (grid, grid))  # (1, C, G, G)
    return F.interpolate(image, size=(side, side), mode='bicubic', align_corners=False).flatten(2).transpose(1, 2)
