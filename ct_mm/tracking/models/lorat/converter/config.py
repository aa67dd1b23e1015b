"""Infers the config of a LoRAT model from the shapes of its weights."""
from __future__ import annotations

import math
import re
from collections.abc import Mapping

from torch import Tensor

from ct_mm.tracking.models.released_weights import shape_of

#: Width of an attention head in all published models. The weights do not show it.
HEAD_WIDTH = 64
#: Side of the template in pixels and area factor of the search region, by the side of the search region.
PUBLISHED = {224: (112, 4.0), 378: (196, 5.0)}


def lorat_model_config(state: Mapping[str, Tensor], template_size: int, search_size: int,
                       num_heads: int | None = None) -> dict:
    """Infers a model config from the shapes of the weights.

    Args:
        state: Weights under the names of ``ct_mm.LoRAT``.
        template_size: Side of the template in pixels.
        search_size: Side of the search region in pixels.
        num_heads: Number of attention heads. Default: heads of width 64, or ``None`` in the config if the width is not
            a multiple of it.

    Returns:
        A ``model`` config.

    Raises:
        ValueError: If a required weight or a layer is missing, or the sizes do not fit the position table.
    """
    width, _, _, patch = shape_of(state, 'backbone.patch_embed.proj.weight', 4)
    for name, size in (('template', template_size), ('search', search_size)):
        if size < patch or size % patch:
            raise ValueError(f'{name}_size={size} is not a multiple of the patches of {patch} pixels')
    side, rows = search_size // patch, shape_of(state, 'backbone.pos_embed', 3)[1]
    if rows != side**2:
        fits = math.isqrt(rows) * patch
        known = f': this is a model of {fits} pixels' if math.isqrt(rows)**2 == rows else ''
        raise ValueError(f'pos_embed has {rows} rows, but a search region of {search_size} pixels has {side**2} tokens'
                         f'{known}')
    layers = {int(match[1]) for key in state if (match := re.match(r'backbone\.blocks\.(\d+)\.', key))}
    if layers != set(range(len(layers))) or not layers:
        raise ValueError(f'the layers of the backbone are {sorted(layers)}, not 0, 1, 2, …')
    backbone = dict(type='ct_mm.OneStreamDINOv2', embed_dim=width, depth=len(layers),
                    num_heads=num_heads or (None if width % HEAD_WIDTH else width // HEAD_WIDTH))
    if 'backbone.blocks.0.mlp.w12.weight' in state:
        backbone['gated'] = True
    elif (hidden := shape_of(state, 'backbone.blocks.0.mlp.fc1.weight', 2)[0]) != 4 * width:
        backbone['mlp_ratio'] = hidden / width
    if patch != 14:
        backbone['patch_size'] = patch
    backbone.update(template_size=template_size, search_size=search_size)
    return dict(type='ct_mm.LoRAT', backbone=backbone,
                head=dict(type='ct_mm.LoRATHead', in_channels=width, feat_size=side), template_factor=2.0,
                search_factor=PUBLISHED.get(search_size, (None, 4.0))[1])
