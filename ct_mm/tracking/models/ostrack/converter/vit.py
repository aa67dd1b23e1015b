"""Initialises a one-stream backbone from a pretrained plain ViT.

References:
    OSTrack, arXiv 2203.11991, section 4.1: the backbone is initialised from MAE, with the position embedding resized to
    the grids of the template and the search region.
"""
from __future__ import annotations

import os
import zipfile
from collections.abc import Mapping

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

#: Weights of a plain ViT that a one-stream backbone does not use.
DROPPED = ('cls_token', 'mask_token', 'head.', 'fc_norm.', 'decoder', 'register_tokens')


def read_npz(path: str | os.PathLike) -> dict[str, Tensor]:
    """Reads float32 weights from an archive of NumPy arrays, without pickled objects.

    Raises:
        FileNotFoundError: The file does not exist.
        ValueError: The file is not such an archive, or holds anything but numeric arrays.
    """
    try:
        with np.load(path, allow_pickle=False) as arrays:
            return {name: torch.from_numpy(arrays[name].astype(np.float32)) for name in arrays.files}
    except (AttributeError, EOFError, ValueError, zipfile.BadZipFile) as error:
        raise ValueError(f'{path} is not an archive of arrays (.npz): {error}') from error


def convert_vit_weights(weights: Mapping[str, Tensor], template_size: int, search_size: int,
                        antialias: bool = False) -> dict[str, Tensor]:
    """Converts weights of a ViT with timm's names (MAE, DeiT, DINO) for ``ct_mm.OneStreamViT``.

    Args:
        weights: Weights with ``pos_embed`` (1, 1 + G*G, C), class token first, and ``patch_embed.proj.weight``.
        template_size: Side of the template in pixels.
        search_size: Side of the search region in pixels.
        antialias: Whether to use antialiasing to shrink the position embedding; the published trackers do not.

    Returns:
        Weights of the backbone, with a final norm only if the file has one (MAE's encoder does).

    Raises:
        ValueError: If a required weight is missing, a weight is unknown, or the position embedding is not a class token
            and a square grid.
    """
    missing = [name for name in ('pos_embed', 'patch_embed.proj.weight') if name not in weights]
    if missing:
        raise ValueError(f'not a plain ViT: it lacks {", ".join(missing)}; it has {", ".join(list(weights)[:8])}, ...')
    patch = weights['patch_embed.proj.weight'].shape[-1]
    grid = weights['pos_embed'][:, 1:]  # (1, G*G, C), without the class token
    side = round(grid.shape[1]**0.5)
    if side * side != grid.shape[1]:
        raise ValueError(f'pos_embed {tuple(weights["pos_embed"].shape)} is not a class token and a square grid')
    state = {name: value for name, value in weights.items() if name != 'pos_embed' and not name.startswith(DROPPED)}
    unknown = [name for name in state if not name.startswith(('patch_embed.proj.', 'blocks.', 'norm.'))]
    if unknown:
        raise ValueError(f'not the weights of a plain ViT: {", ".join(unknown[:8])}')
    image = grid.transpose(1, 2).reshape(1, -1, side, side).float()  # (1, C, G, G)
    for name, size in (('template', template_size), ('search', search_size)):
        if size % patch:
            raise ValueError(f'{name}_size={size} is not a multiple of the patch size {patch} in the file')
        resized = F.interpolate(image, size=size // patch, mode='bicubic', antialias=antialias)
        state[f'pos_embed_{name}'] = resized.flatten(2).transpose(1, 2)  # (1, G'*G', C)
    return state
