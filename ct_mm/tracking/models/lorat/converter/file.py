"""Converts a file of LoRAT, together with the file of DINOv2 that it was trained beside, and describes its content."""
from __future__ import annotations

import os

from ct_mm.tracking.models.released_weights import (
    check_complete,
    check_other_file,
    format_model_config,
    list_some,
    read_released,
    write_converted,
)

from .config import HEAD_WIDTH, PUBLISHED, lorat_model_config
from .dinov2 import convert_dinov2_keys
from .weights import LoRATWeights, convert_lorat_keys


def convert_lorat_file(src: str | os.PathLike, dst: str | os.PathLike, search_size: int | None = None,
                       template_size: int | None = None, dinov2: str | os.PathLike | None = None,
                       num_heads: int | None = None) -> str:
    """Reads, converts and writes a file.

    Args:
        src: File to read. The released ``.bin`` files are in the safetensors format.
        dst: File to write: ``{'state_dict': ..., 'meta': ...}``.
        search_size: Side of the search region in pixels, which no released file says: 224 or 378.
        template_size: Side of the template in pixels. Default: that of the published model with this search region.
        dinov2: File of DINOv2, for a file without the frozen weights.
        num_heads: Number of attention heads. Default: heads of width 64.

    Returns:
        A report of several lines: what was read, folded, left out and written, and the config of the model.

    Raises:
        FileNotFoundError: If a file does not exist.
        ImportError: If a file is in the safetensors format and that package is not installed.
        ValueError: If a file is damaged, the size is not given, or they are not a complete LoRAT of this size.
    """
    check_other_file(src, dst)
    template_size, search_size = _sizes(template_size, search_size)
    state, _ = read_released(src)
    backbone = None
    if dinov2 is not None:
        check_other_file(dinov2, dst)
        backbone, _ = read_released(dinov2)
    try:
        converted = convert_lorat_keys(state, search_size, backbone)
        config = lorat_model_config(converted.state, template_size, search_size, num_heads)
        check_complete(converted.state, config)
    except ValueError as error:
        raise ValueError(f'{src}{f" with {dinov2}" if dinov2 else ""}: {error}') from error
    write_converted(converted.state, src, dst, f'LoRAT {converted.kind}')
    read = f'{src}{f" and {dinov2}" if dinov2 else ""}'
    return '\n'.join([f'read             {read}', *_describe(converted, config), f'written          {dst}', '',
                      format_model_config(config)])


def convert_dinov2_file(src: str | os.PathLike, dst: str | os.PathLike, search_size: int | None = None) -> str:
    """Makes the starting weights of a training from a file of DINOv2.

    Args:
        src: File of DINOv2.
        dst: File to write, for ``model.backbone.init_cfg.checkpoint``.
        search_size: Side of the search region in pixels.

    Returns:
        A report of one line.

    Raises:
        FileNotFoundError: If the file does not exist.
        ValueError: If it is damaged or another model, or the size is not given.
    """
    check_other_file(src, dst)
    _, search_size = _sizes(14, search_size)
    state, _ = read_released(src)
    try:
        converted, left_out = convert_dinov2_keys(state, search_size)
    except ValueError as error:
        raise ValueError(f'{src}: {error}') from error
    write_converted(converted, src, dst, 'DINOv2')
    return (f'{dst}: {len(converted)} tensors, positions of {search_size} pixels; left out: '
            f'{", ".join(left_out) or "nothing"}')


def _sizes(template_size: int | None, search_size: int | None) -> tuple[int, int]:
    if search_size is None:
        raise ValueError('nothing in the file says whether it is the model of 224 or of 378 pixels, and the wrong '
                         'choice tracks badly without any error: give search_size (--search-size 224 or 378)')
    if template_size is None:
        if search_size not in PUBLISHED:
            raise ValueError(f'no published model has a search region of {search_size} pixels (they have '
                             f'{" or ".join(map(str, PUBLISHED))}); give template_size (--template-size) too')
        template_size = PUBLISHED[search_size][0]
    return template_size, search_size


def _describe(converted: LoRATWeights, config: dict) -> list[str]:
    backbone, patch = config['backbone'], config['backbone'].get('patch_size', 14)
    heads = backbone['num_heads'] or f'not in the weights, and the width is not a multiple of {HEAD_WIDTH}: fill in ' \
                                     'num_heads (--num-heads)'
    template, search = (backbone[f'{name}_size'] for name in ('template', 'search'))
    folded = f'LoRA, times {converted.factor:g}' if converted.factor is not None else 'nothing'
    return [
        f'kind             LoRAT, {converted.kind}',
        f'tensors          {len(converted.state)} written, {len(converted.folded)} folded into them, '
        f'{len(converted.left_out)} left out, 0 unknown',
        f'folded           {folded}',
        f'left out         {list_some(list(converted.left_out)) or "nothing"}',
        f'layers           {backbone["depth"]} of width {backbone["embed_dim"]}',
        f'attention heads  {heads}',
        f'template         {template} pixels, {template // patch} x {template // patch} tokens',
        f'search region    {search} pixels, {search // patch} x {search // patch} tokens (as you said)',
        f'crop factors     2.0 and {config["search_factor"]} (not in the weights; as published for this size)']
