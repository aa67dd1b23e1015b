"""Initialises a one-stream backbone from a pretrained plain ViT.

References:
    OSTrack, arXiv 2203.11991, section 4.1: the backbone is initialised from MAE, with the position embedding resized to
    the grids of the template and the search region.
"""
from __future__ import annotations

import io
import math
import os
import zipfile
from collections.abc import Mapping

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from ct_mm.engine.checkpoints.reading import check_weights
from ct_mm.engine.checkpoints.torch_file import check_entries, unpack

#: Weights of a plain ViT that a one-stream backbone does not use.
DROPPED = ('cls_token', 'mask_token', 'head.', 'fc_norm.', 'decoder', 'register_tokens')


def read_npz(path: str | os.PathLike) -> dict[str, Tensor]:
    """Reads float32 weights from an archive of NumPy arrays, without pickled objects.

    Raises:
        FileNotFoundError: The file does not exist.
        ValueError: The file is not such an archive, holds anything but finite numeric arrays, or would unpack to too
            much.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            arrays = {name.removesuffix('.npy'): _read_npy(b''.join(unpack(archive, info)), name)
                      for name, info in check_entries(archive).items()}
    except FileNotFoundError:
        raise
    except Exception as error:  # other bytes than those of an archive fail wherever one of them is used
        raise ValueError(f'{path} is not an archive of arrays (.npz): {error}') from error
    with np.errstate(over='ignore'):  # a float64 that is too large becomes infinite, which is refused
        return check_weights({name: torch.from_numpy(array.astype(np.float32)) for name, array in arrays.items()}, path)


def _read_npy(content: bytes, name: str) -> np.ndarray:
    stream = io.BytesIO(content)
    version = np.lib.format.read_magic(stream)
    header = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, by_columns, dtype = header(stream)
    left = len(content) - stream.tell()
    if dtype.kind not in 'fiub' or math.prod(shape) * dtype.itemsize != left:
        raise ValueError(f'its entry {name!a} announces {dtype} of shape {shape} and has {left} bytes, but must have '
                         f'exactly the bytes of an array of real numbers')
    return np.frombuffer(content, dtype, offset=stream.tell()).reshape(shape, order='F' if by_columns else 'C')


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
