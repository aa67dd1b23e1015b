"""Infers the config of an OSTrack model from the shapes of its weights."""
from __future__ import annotations

import math
import re
from collections.abc import Mapping

from torch import Tensor

from ct_mm.tracking.models.released_weights import shape_of

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
    width, _, _, patch = shape_of(state, 'backbone.patch_embed.proj.weight', 4)
    template, search = (_grid(state, f'backbone.pos_embed_{name}') for name in ('template', 'search'))
    layers = {int(match[1]) for key in state if (match := re.match(r'backbone\.blocks\.(\d+)\.', key))}
    if layers != set(range(len(layers))) or not layers:
        raise ValueError(f'the layers of the backbone are {sorted(layers)}, not 0, 1, 2, …')
    hidden = shape_of(state, 'backbone.blocks.0.mlp.fc1.weight', 2)[0]
    channels = shape_of(state, 'head.score.0.conv.weight', 4)[0]
    backbone = dict(type='ct_mm.OneStreamViT', embed_dim=width, depth=len(layers),
                    num_heads=None if width % HEAD_WIDTH else width // HEAD_WIDTH,
                    patch_size=patch, template_size=template * patch, search_size=search * patch)
    if hidden != 4 * width:
        backbone['mlp_ratio'] = hidden / width
    head = dict(type='ct_mm.CenterHead', in_channels=width, feat_size=search, channels=channels)
    return dict(type='ct_mm.OSTrack', backbone=backbone, head=head, template_factor=2.0,
                search_factor=5.0 if search * patch == 384 else 4.0)


def _grid(state: Mapping[str, Tensor], key: str) -> int:
    tokens = shape_of(state, key, 3)[1]
    side = math.isqrt(tokens)
    if side * side != tokens:
        raise ValueError(f'{key} has {tokens} tokens, which do not form a square; ct_mm.OSTrack needs square images')
    return side
