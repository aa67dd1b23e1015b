"""Infers the config of a SUTrack from the shapes of its weights."""
from __future__ import annotations

import math

from ct_mm.tracking.models.released_weights import shape_of

from .weights import SUTrackWeights

#: Width of an attention head in all released models. The weights do not show it.
HEAD_WIDTH = 64
#: Number of templates of the released models, by width and number of main blocks. The weights do not show it.
TEMPLATES = {(384, 12): 1, (512, 24): 2, (768, 40): 2}


def image_sizes(rows: int) -> list[tuple[int, int]]:
    """Lists the template and search sizes in pixels that have as many tokens together as a position table has rows.

    Examples:
        >>> image_sizes(245), image_sizes(125)
        ([(112, 224)], [(32, 176), (80, 160)])
    """
    found = []
    for template in range(1, math.isqrt(rows // 2) + 1):
        search = math.isqrt(rows - template**2)
        if search > template and search**2 + template**2 == rows:
            found.append((16 * template, 16 * search))
    return found


def sutrack_model_config(weights: SUTrackWeights, template_size: int, search_size: int, num_templates: int | None,
                         num_heads: int | None = None) -> dict:
    """Infers a model config from the shapes of the weights.

    Args:
        weights: Converted weights.
        template_size: Side of a template in pixels.
        search_size: Side of the search region in pixels.
        num_templates: Number of templates. Default: that of the released model with these sizes.
        num_heads: Number of attention heads. Default: heads of width 64; ``None`` in the config if the width is not a
            multiple of it.

    Returns:
        A ``model`` config.

    Raises:
        ValueError: If a required weight is missing, or ``num_templates`` is needed.
    """
    state, depth = weights.state, weights.depth
    width = shape_of(state, 'backbone.cls_token', 3)[2]
    num_templates = num_templates or TEMPLATES.get((width, depth))
    if num_templates is None:
        raise ValueError(f'the weights do not show how many templates this model of width {width} with {depth} main '
                         'blocks was trained with: give num_templates (--num-templates)')
    num_heads = num_heads or (None if width % HEAD_WIDTH else width // HEAD_WIDTH)
    backbone = dict(type='ct_mm.FastITPN', embed_dim=width, depth=depth, num_heads=num_heads,
                    stem_depths=weights.stem_depths, template_size=template_size, search_size=search_size,
                    num_templates=num_templates)
    hidden = shape_of(state, 'backbone.blocks.0.mlp.w1.weight', 2)[0]
    if hidden != 3 * width:
        backbone['mlp_ratio'] = hidden / width
    channels = shape_of(state, 'backbone.stem.patch_embed.weight', 4)[1]
    if channels != 3:
        backbone['in_channels'] = channels
    hidden, tasks = (shape_of(state, f'task_head.layers.{layer}.weight', 2)[0] for layer in (0, 4))
    return dict(
        type='ct_mm.SUTrack', backbone=backbone,
        head=dict(type='ct_mm.CenterHead', in_channels=width, feat_size=search_size // 16,
                  channels=shape_of(state, 'head.score.0.conv.weight', 4)[0], clamp_size=True),
        task_head=dict(type='ct_mm.TaskHead', in_channels=width, channels=hidden, num_tasks=tasks),
        template_factor=2.0, search_factor=4.0)
