"""A pretrained plain ViT as the start of a one-stream backbone.

References:
    OSTrack, arXiv 2203.11991, section 4.1: the backbone starts from MAE, its position embedding resized to
    the grids of template and search region.
"""
from __future__ import annotations

import os
import zipfile
from collections.abc import Mapping

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

#: What a plain ViT has and a one-stream backbone has no use for.
DROPPED = ('cls_token', 'mask_token', 'head.', 'fc_norm.', 'decoder', 'register_tokens')


def read_npz(path: str | os.PathLike) -> dict[str, Tensor]:
    """Weights in float32 from an archive of NumPy arrays; pickled objects in it are refused.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: It is no such archive, or holds something other than arrays of numbers.
    """
    try:
        with np.load(path, allow_pickle=False) as arrays:
            return {name: torch.from_numpy(arrays[name].astype(np.float32)) for name in arrays.files}
    except (AttributeError, EOFError, ValueError, zipfile.BadZipFile) as error:
        raise ValueError(f'{path} is no archive of arrays (.npz): {error}') from error


def convert_vit_weights(weights: Mapping[str, Tensor], template_size: int, search_size: int,
                        antialias: bool = False) -> dict[str, Tensor]:
    """Weights of a ViT under timm's names (MAE, DeiT, DINO) -> weights of ``ct_mm.OneStreamViT``.

    Args:
        weights: Must hold ``pos_embed`` (1, 1 + G*G, C), class token first, and ``patch_embed.proj.weight``.
        template_size: Side of the template in pixels.
        search_size: Side of the search region in pixels.
        antialias: Whether the resizing of the position embedding looks at all points of a finer grid;
            the published trackers do not.

    Returns:
        Weights of the backbone. Without a final norm in the file (MAE's encoder has one) that stays out too.

    Raises:
        ValueError: If a needed entry is missing, one is unknown, or the position embedding is no square grid
            behind a class token.
    """
    missing = [name for name in ('pos_embed', 'patch_embed.proj.weight') if name not in weights]
    if missing:
        raise ValueError(f'no plain ViT: {", ".join(missing)} missing; it holds {", ".join(list(weights)[:8])}, ...')
    patch = weights['patch_embed.proj.weight'].shape[-1]
    grid = weights['pos_embed'][:, 1:]  # (1, G*G, C), without the class token
    side = round(grid.shape[1]**0.5)
    if side * side != grid.shape[1]:
        raise ValueError(f'pos_embed {tuple(weights["pos_embed"].shape)} is no class token and a square grid')
    state = {
        name: value
        for name, value in weights.items() if name != 'pos_embed' and not name.startswith(DROPPED)
    }
    unknown = [name for name in state if not name.startswith(('patch_embed.proj.', 'blocks.', 'norm.'))]
    if unknown:
        raise ValueError(f'not the weights of a plain ViT: {", ".join(unknown[:8])}')
    image = grid.transpose(1, 2).reshape(1, -1, side, side).float()  # (1, C, G, G)
    for name, size in (('template', template_size), ('search', search_size)):
        if size % patch:
            raise ValueError(f'{name}_size={size} is no multiple of the patch size {patch} of the file')
        resized = F.interpolate(image, size=size // patch, mode='bicubic', antialias=antialias)
        state[f'pos_embed_{name}'] = resized.flatten(2).transpose(1, 2)  # (1, G'*G', C)
    return state
