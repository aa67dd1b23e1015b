"""Converts a file of OSTrack or CompressTracker and describes its content."""
from __future__ import annotations

import os
from collections.abc import Sequence

from ct_mm.tracking.models.released_weights import (
    check_complete,
    check_other_file,
    format_model_config,
    read_released,
    write_converted,
)

from .config import HEAD_WIDTH, ostrack_model_config
from .weights import OSTrackWeights, convert_ostrack_keys


def convert_ostrack_file(src: str | os.PathLike, dst: str | os.PathLike, weights: str = 'student',
                         ignore_objects: bool = False) -> str:
    """Reads, converts and writes a file.

    Args:
        src: File to read, with the weights under ``net``, ``state_dict``, ``model`` or at the top level.
        dst: File to write: ``{'state_dict': ..., 'meta': ...}``.
        weights: ``student`` or ``teacher``, see :func:`convert_ostrack_keys`.
        ignore_objects: Whether to skip everything that is not a tensor or a plain value, instead of raising an error.

    Returns:
        A report of several lines: what was read and written, and the config of the model.

    Raises:
        FileNotFoundError: If the file does not exist.
        ValueError: If the file is damaged, holds objects without ``ignore_objects``, or is not a complete OSTrack.
    """
    check_other_file(src, dst)
    state, ignored = read_released(src, ignore_objects)
    try:
        converted = convert_ostrack_keys(state, weights)
        config = ostrack_model_config(converted.state)
        check_complete(converted.state, config)
    except ValueError as error:
        raise ValueError(f'{src}: {error}') from error
    write_converted(converted.state, src, dst, converted.kind)
    return '\n'.join([f'read             {src}', *_describe(converted, config, ignored), f'written          {dst}', '',
                      format_model_config(config)])


def _describe(converted: OSTrackWeights, config: dict, ignored: Sequence[str]) -> list[str]:
    backbone, head = config['backbone'], config['head']
    template, search = (backbone[f'{name}_size'] for name in ('template', 'search'))
    patch, factors = backbone['patch_size'], f'{config["template_factor"]} and {config["search_factor"]}'
    heads = backbone['num_heads'] and f'{backbone["num_heads"]} (not in the weights; assumed width {HEAD_WIDTH})'
    unknown_heads = f'not in the weights, and the width is not a multiple of {HEAD_WIDTH}: fill in num_heads'
    return [
        f'kind             {converted.kind}',
        f'tensors          {len(converted.state)} converted, {len(converted.dropped)} dropped, 0 unknown',
        f'other objects    {len(ignored)} kinds ignored{": " + ", ".join(ignored[:8]) if ignored else ""}',
        f'layers           {backbone["depth"]} of width {backbone["embed_dim"]}',
        f'attention heads  {heads or unknown_heads}',
        f'patches          {patch} x {patch} pixels',
        f'template         {template} pixels, {template // patch} x {template // patch} tokens',
        f'search region    {search} pixels, {search // patch} x {search // patch} tokens',
        f'head channels    {head["channels"]}',
        f'crop factors     {factors} (not in the weights; as published for this size)']
