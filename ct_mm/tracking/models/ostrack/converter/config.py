"""The config of the model that weights of OSTrack belong to, read from their shapes."""
from __future__ import annotations

import math
import re
from collections.abc import Mapping

import torch
from torch import Tensor

from ct_mm.registry import MODELS

#: Width of an attention head in every published ViT of this family. It leaves no trace in the weights.
HEAD_WIDTH = 64


def ostrack_model_config(state: Mapping[str, Tensor]) -> dict:
    """Reads what the shapes of the weights tell, and assumes what they do not.

    Assumed are heads of width 64 (``num_heads`` is ``None`` if the width is no multiple of that), and the
    crop factors of the published models: template 2, search 4, or 5 for 384 pixels.

    Args:
        state: Weights under the names of ``ct_mm.OSTrack``.

    Returns:
        A ``model`` config.

    Raises:
        ValueError: If a weight that is needed is missing, a layer is, or a grid of tokens is no square.
    """
    width, _, _, patch = _shape(state, 'backbone.patch_embed.proj.weight', 4)
    template, search = (_grid(state, f'backbone.pos_embed_{name}') for name in ('template', 'search'))
    layers = {int(match[1]) for key in state if (match := re.match(r'backbone\.blocks\.(\d+)\.', key))}
    if layers != set(range(len(layers))) or not layers:
        raise ValueError(f'the layers of the backbone are {sorted(layers)}, not 0, 1, 2, …')
    hidden = _shape(state, 'backbone.blocks.0.mlp.fc1.weight', 2)[0]
    channels = _shape(state, 'head.score.0.conv.weight', 4)[0]
    backbone = dict(
        type='ct_mm.OneStreamViT',
        embed_dim=width,
        depth=len(layers),
        num_heads=None if width % HEAD_WIDTH else width // HEAD_WIDTH,
        patch_size=patch,
        template_size=template * patch,
        search_size=search * patch)
    if hidden != 4 * width:
        backbone['mlp_ratio'] = hidden / width
    return dict(
        type='ct_mm.OSTrack',
        backbone=backbone,
        head=dict(type='ct_mm.CenterHead', in_channels=width, feat_size=search, channels=channels),
        template_factor=2.0,
        search_factor=5.0 if search * patch == 384 else 4.0)


def check_complete(state: Mapping[str, Tensor], config: dict) -> None:
    """Checks that weights fill a model exactly.

    Args:
        state: Weights.
        config: What ``ostrack_model_config`` gave for them.

    Raises:
        ValueError: If a weight is missing, left over or of another shape; the message names the first ones.
    """
    # One head instead of an unknown number: the shapes of the weights are the same.
    with torch.device('meta'):
        model = MODELS.build({**config, 'backbone': {**config['backbone'], 'num_heads': 1}})
    own = model.state_dict()
    faults = [f'{key} is missing' for key in own if key not in state]
    faults += [f'{key!a} is of no use' for key in state if key not in own]
    faults += [f'{key} is {tuple(state[key].shape)} instead of {tuple(value.shape)}'
               for key, value in own.items() if key in state and state[key].shape != value.shape]
    if faults:
        raise ValueError(f'the weights do not make a whole model, {len(faults)} faults: {"; ".join(faults[:6])}')


def format_model_config(config: dict) -> str:
    """Writes the config as it stands in a config file.

    Args:
        config: What ``ostrack_model_config`` gave.

    Returns:
        Source text, one argument a line.
    """
    return f'model = dict(\n{_arguments(config, 4)})'


def _arguments(values: dict, indent: int) -> str:
    lines = []
    for key, value in values.items():
        if isinstance(value, dict):
            lines.append(f'{key}=dict(\n{_arguments(value, indent + 4)})')
        else:
            lines.append(f'{key}={value!r}')
    return ',\n'.join(' ' * indent + line for line in lines)


def _shape(state: Mapping[str, Tensor], key: str, ndim: int) -> tuple[int, ...]:
    if key not in state:
        raise ValueError(f'{key} is missing among the {len(state)} weights that were read')
    shape = tuple(state[key].shape)
    if len(shape) != ndim or 0 in shape:
        raise ValueError(f'{key} is {shape}, but must have {ndim} dimensions')
    return shape


def _grid(state: Mapping[str, Tensor], key: str) -> int:
    tokens = _shape(state, key, 3)[1]
    side = math.isqrt(tokens)
    if side * side != tokens:
        raise ValueError(f'{key} is for {tokens} tokens, which make no square; ct_mm.OSTrack takes square images')
    return side
