"""Infers the config of a MixFormerV2 from the shapes of its weights."""
from __future__ import annotations

import re
from collections.abc import Mapping

from torch import Tensor

from ct_mm.tracking.models.released_weights import shape_of

from .weights import POSITIONS, grid_side

#: Width of an attention head in all released models. The weights do not show it.
HEAD_WIDTH = 64
#: Names of the published models by width, layers, MLP ratio and search size, with the search factor of benchmarks.
PUBLISHED = {(768, 8, 4.0, 288): ('MixFormerV2-B', 5.0), (768, 4, 1.0, 224): ('MixFormerV2-S', 4.5),
             (768, 12, 4.0, 288): ('the 12-layer model between the distillation stages', 5.0)}


def mixformerv2_model_config(official: Mapping[str, Tensor], num_heads: int | None = None) -> dict:
    """Infers a model config from the shapes of the weights.

    Values that the weights do not show are assumed: heads of width 64, two templates, and crop factors of 2 for the
    templates and 4.5 for the search region (5 for the published models of 288 pixels).

    Args:
        official: Weights by official name.
        num_heads: Number of attention heads. Default: heads of width 64; ``None`` in the config if the width is not a
            multiple of it.

    Returns:
        A ``model`` config.

    Raises:
        ValueError: If a required weight or a layer is missing.
    """
    state = {key.removeprefix('module.'): value for key, value in official.items()}
    width, _, _, patch = shape_of(state, 'backbone.patch_embed.proj.weight', 4)
    layers = {int(match[1]) for key in state if (match := re.match(r'backbone\.blocks\.(\d+)\.', key))}
    if layers != set(range(len(layers))) or not layers:
        raise ValueError(f'the layers of the backbone are {sorted(layers)}, not 0, 1, 2, …')
    hidden = shape_of(state, 'backbone.blocks.0.mlp.fc1.weight', 2)[0]
    template, search = (patch * grid_side(state, POSITIONS[name]) for name in ('template', 'search'))
    backbone = dict(
        type='ct_mm.MixFormerV2ViT', embed_dim=width, depth=len(layers),
        num_heads=num_heads or (None if width % HEAD_WIDTH else width // HEAD_WIDTH), mlp_ratio=hidden / width,
        patch_size=patch, template_size=template, search_size=search)
    head = dict(type='ct_mm.DistributionHead', in_channels=width,
                bins=shape_of(state, 'box_head.layers.1.0.weight', 2)[0],
                score=any(key.startswith('score_head.') for key in state))
    return dict(type='ct_mm.MixFormerV2', backbone=backbone, head=head, template_factor=2.0,
                search_factor=published(backbone)[1])


def published(backbone: Mapping) -> tuple[str, float]:
    """Returns the name and the search factor of a model; those of another size have none of the names."""
    size = tuple(backbone[key] for key in ('embed_dim', 'depth', 'mlp_ratio', 'search_size'))
    return PUBLISHED.get(size, ('MixFormerV2 of another size than the published ones', 4.5))
