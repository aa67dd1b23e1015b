"""Computes the text vector of RGB tracking from the text side of CLIP.

Without a description, SUTrack gives CLIP 77 ids that are all zero. CLIP reads its output at the position of the largest
id, which is position 0 here. Its text side is causal, so position 0 attends to itself only: attention is a linear
map, and the text vector is a constant.

References:
    Learning Transferable Visual Models From Natural Language Supervision (CLIP), arXiv 2103.00020.
"""
from __future__ import annotations

import re
from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor

#: Weights that every text side has, besides its layers.
_SINGLE = ('token_embedding.weight', 'positional_embedding', 'ln_final.weight', 'ln_final.bias', 'text_projection')
_LAYER = ('attn.in_proj_weight', 'attn.in_proj_bias', 'attn.out_proj.weight', 'attn.out_proj.bias', 'ln_1.weight',
          'ln_1.bias', 'ln_2.weight', 'ln_2.bias', 'mlp.c_fc.weight', 'mlp.c_fc.bias', 'mlp.c_proj.weight',
          'mlp.c_proj.bias')
_LAYER_KEY = re.compile(r'transformer\.resblocks\.(\d+)\.(.+)')


def text_weights(clip: Mapping[str, Tensor]) -> list[str]:
    """Lists the weights of CLIP's text side that a file must have, as far as its own layers tell.

    Args:
        clip: Weights of CLIP under its own names.

    Returns:
        The names; with one layer if the file has none.
    """
    layers = {int(match[1]) for key in clip if (match := _LAYER_KEY.fullmatch(key))}
    return [*_SINGLE, *(f'transformer.resblocks.{layer}.{name}' for layer in range(max(layers, default=0) + 1)
                        for name in _LAYER)]


@torch.no_grad()
def zero_text_vector(clip: Mapping[str, Tensor]) -> Tensor:
    """Computes CLIP's text vector of 77 zero ids.

    Args:
        clip: Weights of CLIP under its own names; half precision is computed in float64.

    Returns:
        The vector (1, D) float64.

    Raises:
        ValueError: A weight is missing, or shapes do not fit; the message names weights.
    """
    missing = [key for key in text_weights(clip) if key not in clip]
    if missing:
        raise ValueError(f'weights of the text side of CLIP are missing: {", ".join(missing[:3])}'
                         f'{f" and {len(missing) - 3} more" if len(missing) > 3 else ""}')
    w = {key: clip[key].double() for key in text_weights(clip)}
    try:
        x = (w['token_embedding.weight'][0] + w['positional_embedding'][0])[None]  # (1, C)
        for layer in range(len(w) // len(_LAYER)):
            x = _layer(x, {name: w[f'transformer.resblocks.{layer}.{name}'] for name in _LAYER})
        return _norm(x, w['ln_final.weight'], w['ln_final.bias']) @ w['text_projection']  # (1, D)
    except (IndexError, RuntimeError) as error:
        raise ValueError(f'the shapes of the text side of CLIP do not fit together: {error}') from error


def _layer(x: Tensor, w: Mapping[str, Tensor]) -> Tensor:
    """Runs one layer on the first position (1, C)."""
    value_weight, value_bias = w['attn.in_proj_weight'].chunk(3)[2], w['attn.in_proj_bias'].chunk(3)[2]
    value = F.linear(_norm(x, w['ln_1.weight'], w['ln_1.bias']), value_weight, value_bias)
    x = x + F.linear(value, w['attn.out_proj.weight'], w['attn.out_proj.bias'])
    hidden = F.linear(_norm(x, w['ln_2.weight'], w['ln_2.bias']), w['mlp.c_fc.weight'], w['mlp.c_fc.bias'])
    return x + F.linear(hidden * torch.sigmoid(1.702 * hidden), w['mlp.c_proj.weight'], w['mlp.c_proj.bias'])


def _norm(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    return F.layer_norm(x, x.shape[-1:], weight, bias, 1e-5)
