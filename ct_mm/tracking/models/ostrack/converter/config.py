"""Infers the config of an OSTrack model from the shapes of its weights."""
from __future__ import annotations

import math
import re
from collections.abc import Mapping

import torch
from torch import Tensor

from ct_mm.registry import MODELS

#: Width of an attention head in all published ViTs of this family. The weights do not show it.
HEAD_WIDTH = 64


def ostrack_model_config(state: Mapping[str, Tensor]) -> dict:
    """Infers a model config from the shapes of the weights.

    Two values are assumed because the weights do not show them: heads of width 64 (``num_heads`` is ``None`` if the
    width is not a multiple of it), and the crop factors of the published models, 2 for the template and 4 for the
    search region, or 5 for 384 pixels.

    Args:
        state: Weights under the names of ``ct_mm.OSTrack``.

    Returns:
        A ``model`` config.

    Raises:
        ValueError: If a required weight or a layer is missing, or a grid of tokens is not square.
    """
    width, _, _, patch = _shape(state, 'backbone.patch_embed.proj.weight', 4)
    template, search = (_grid(state, f'backbone.pos_embed_{name}') for name in ('template', 'search'))
    layers = {int(match[1]) for key in state if (match := re.match(r'backbone\.blocks\.(\d+)\.', key))}
    if layers != set(range(len(layers))) or not layers:
        raise ValueError(f'the layers of the backbone are {sorted(layers)}, not 0, 1, 2, …')
    hidden = _shape(state, 'backbone.blocks.0.mlp.fc1.weight', 2)[0]
    channels = _shape(state, 'head.score.0.conv.weight', 4)[0]
    backbone = dict(type='ct_mm.OneStreamViT', embed_dim=width, depth=len(layers),
                    num_heads=None if width % HEAD_WIDTH else width // HEAD_WIDTH,
                    patch_size=patch, template_size=template * patch, search_size=search * patch)
    if hidden != 4 * width:
        backbone['mlp_ratio'] = hidden / width
    head = dict(type='ct_mm.CenterHead', in_channels=width, feat_size=search, channels=channels)
    return dict(type='ct_mm.OSTrack', backbone=backbone, head=head, template_factor=2.0,
                search_factor=5.0 if search * patch == 384 else 4.0)


def check_complete(state: Mapping[str, Tensor], config: dict) -> None:
    """Checks that weights fit a model exactly.

    Args:
        state: The weights.
        config: Config from ``ostrack_model_config`` for these weights.

    Raises:
        ValueError: If a weight is missing, unexpected or has a different shape; the message lists the first ones.
    """
    # The number of heads may be unknown; one head gives weights of the same shapes.
    with torch.device('meta'):
        model = MODELS.build({**config, 'backbone': {**config['backbone'], 'num_heads': 1}})
    own = model.state_dict()
    faults = [f'{key} is missing' for key in own if key not in state]
    faults += [f'{key!a} is unexpected' for key in state if key not in own]
    faults += [f'{key} has shape {tuple(state[key].shape)} instead of {tuple(value.shape)}'
               for key, value in own.items() if key in state and state[key].shape != value.shape]
    if faults:
        raise ValueError(f'the weights do not form a complete model, {len(faults)} faults: {"; ".join(faults[:6])}')


def format_model_config(config: dict) -> str:
    """Formats a config as source code for a config file.

    Args:
        config: Config from ``ostrack_model_config``.

    Returns:
        Source code with one argument per line.
    """
    return f'model = dict(\n{_arguments(config, 4)})'


def _arguments(values: dict, indent: int) -> str:
    lines = [f'{key}=dict(\n{_arguments(value, indent + 4)})' if isinstance(value, dict) else f'{key}={value!r}'
             for key, value in values.items()]
    return ',\n'.join(' ' * indent + line for line in lines)


def _shape(state: Mapping[str, Tensor], key: str, ndim: int) -> tuple[int, ...]:
    if key not in state:
        raise ValueError(f'{key} is missing from the {len(state)} weights')
    shape = tuple(state[key].shape)
    if len(shape) != ndim or 0 in shape:
        raise ValueError(f'{key} has shape {shape}, but must have {ndim} dimensions')
    return shape


def _grid(state: Mapping[str, Tensor], key: str) -> int:
    tokens = _shape(state, key, 3)[1]
    side = math.isqrt(tokens)
    if side * side != tokens:
        raise ValueError(f'{key} has {tokens} tokens, which do not form a square; ct_mm.OSTrack needs square images')
    return side
