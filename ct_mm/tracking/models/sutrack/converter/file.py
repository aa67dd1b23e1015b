"""Converts a file of SUTrack and describes its content."""
from __future__ import annotations

import os
from collections.abc import Sequence

from ct_mm.tracking.models.released_weights import (
    check_complete,
    check_other_file,
    format_model_config,
    list_some,
    read_released,
    write_converted,
)

from .config import HEAD_WIDTH, image_sizes, sutrack_model_config
from .weights import CLIP, SUTrackWeights, convert_sutrack_keys


def convert_sutrack_file(src: str | os.PathLike, dst: str | os.PathLike, search_size: int | None = None,
                         template_size: int | None = None, num_templates: int | None = None,
                         num_heads: int | None = None, clip: str | os.PathLike | None = None,
                         ignore_objects: bool = False) -> str:
    """Reads, converts and writes a file.

    Args:
        src: File to read, with the weights under ``net``, ``state_dict``, ``model`` or at the top level.
        dst: File to write: ``{'state_dict': ..., 'meta': ...}``.
        search_size: Side of the search region in pixels. Default: read from the position table if only one pair of
            sizes has its number of rows.
        template_size: Side of a template in pixels. Default: half the search region's, or as ``search_size``.
        num_templates: Number of templates. Default: that of the released model with these layers.
        num_heads: Number of attention heads. Default: heads of width 64.
        clip: File with the weights of CLIP ViT-L/14, for a file without them.
        ignore_objects: Whether to skip everything that is not a tensor or a plain value, instead of raising an error.

    Returns:
        A report of several lines: what was read, folded, left out and written, and the config of the model.

    Raises:
        FileNotFoundError: If a file does not exist.
        ValueError: If a file is damaged, holds objects without ``ignore_objects``, or is not a complete SUTrack of
            these sizes.
    """
    check_other_file(src, dst)
    state, ignored = read_released(src, ignore_objects)
    text = None
    if clip is not None:
        text = {key.removeprefix(CLIP).removeprefix('clip.'): value
                for key, value in read_released(clip, ignore_objects)[0].items()}
    try:
        template_size, search_size = _sizes(state, template_size, search_size)
        converted = convert_sutrack_keys(state, template_size, search_size, text)
        config = sutrack_model_config(converted, template_size, search_size, num_templates, num_heads)
        check_complete(converted.state, config)
    except ValueError as error:
        raise ValueError(f'{src}: {error}') from error
    write_converted(converted.state, src, dst, 'SUTrack')
    return '\n'.join([f'read             {src}', *_describe(converted, config, ignored), f'written          {dst}', '',
                      format_model_config(config)])


def _sizes(state: dict, template_size: int | None, search_size: int | None) -> tuple[int, int]:
    """Returns both sizes; those that were not given must follow from the position table."""
    if search_size is not None:
        return template_size or search_size // 2, search_size
    table = state.get('encoder.body.pos_embed', state.get('module.encoder.body.pos_embed'))
    if table is None or table.dim() != 3:
        return 0, 0  # another model, which the conversion names
    found = [sizes for sizes in image_sizes(table.shape[1]) if template_size in (None, sizes[0])]
    if len(found) != 1:
        raise ValueError(f'pos_embed has {table.shape[1]} rows, which fit {found or "no sizes"} (template and search '
                         'region in pixels): give search_size and template_size (--search-size, --template-size)')
    return found[0]


def _describe(converted: SUTrackWeights, config: dict, ignored: Sequence[str]) -> list[str]:
    backbone, number = config['backbone'], config['backbone']['num_templates']
    heads = backbone['num_heads'] or f'not in the weights, and the width is no multiple of {HEAD_WIDTH}: fill in ' \
                                     'num_heads (--num-heads)'
    template, search = (backbone[f'{name}_size'] for name in ('template', 'search'))
    groups = {}
    for key in converted.left_out:
        groups.setdefault('text_encoder.clip.visual.*' if '.visual.' in key else key, []).append(key)
    left_out = [f'{name} ({len(keys)})' if name not in keys else name for name, keys in groups.items()]
    return [
        'kind             SUTrack',
        f'tensors          {len(converted.state)} written, {len(converted.folded)} folded into them, '
        f'{len(converted.left_out)} left out, 0 unknown',
        f'folded           text side of CLIP and text_proj into the text token; six channels of the stem into '
        f'{backbone.get("in_channels", 3)}',
        f'left out         {", ".join(left_out) or "nothing"} (not used in RGB tracking)',
        f'other objects    {len(ignored)} kinds ignored{": " + list_some(list(ignored), 8) if ignored else ""}',
        f'layers           {backbone["depth"]} of width {backbone["embed_dim"]}, stem {backbone["stem_depths"]}',
        f'attention heads  {heads}',
        f'templates        {number} of {template} pixels, {template // 16} x {template // 16} tokens',
        f'search region    {search} pixels, {search // 16} x {search // 16} tokens',
        'crop factors     2.0 and 4.0 (not in the weights; as published)']
