"""Converts a file of MixFormerV2 and describes its content."""
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

from .config import HEAD_WIDTH, mixformerv2_model_config, published
from .weights import convert_mixformerv2_keys


def convert_mixformerv2_file(src: str | os.PathLike, dst: str | os.PathLike, num_heads: int | None = None,
                             ignore_objects: bool = False) -> str:
    """Reads, converts and writes a file.

    Args:
        src: File to read, with the weights under ``net``, ``state_dict``, ``model`` or at the top level.
        dst: File to write: ``{'state_dict': ..., 'meta': ...}``.
        num_heads: Number of attention heads. Default: heads of width 64.
        ignore_objects: Whether to skip everything that is not a tensor or a plain value, instead of raising an error.

    Returns:
        A report of several lines: what was read and written, and the config of the model.

    Raises:
        FileNotFoundError: If the file does not exist.
        ValueError: If the file is damaged, holds objects without ``ignore_objects``, or is not a complete MixFormerV2.
    """
    check_other_file(src, dst)
    state, ignored = read_released(src, ignore_objects)
    try:
        converted = convert_mixformerv2_keys(state)
        config = mixformerv2_model_config(state, num_heads)
        check_complete(converted, config)
    except ValueError as error:
        raise ValueError(f'{src}: {error}') from error
    kind = published(config['backbone'])[0]
    write_converted(converted, src, dst, kind)
    return '\n'.join([f'read             {src}', *_describe(kind, len(converted), config, ignored),
                      f'written          {dst}', '', format_model_config(config)])


def _describe(kind: str, count: int, config: dict, ignored: Sequence[str]) -> list[str]:
    backbone, head = config['backbone'], config['head']
    patch, sizes = backbone['patch_size'], [backbone[f'{name}_size'] for name in ('template', 'search')]
    template, search = (f'{size} pixels, {size // patch} x {size // patch} tokens' for size in sizes)
    heads = backbone['num_heads'] or f'not in the weights, and the width is not a multiple of {HEAD_WIDTH}: fill in ' \
                                     'num_heads (--num-heads)'
    return [
        f'kind             {kind}',
        f'tensors          {count} written, 2 tables of positions checked and left out, 0 unknown',
        f'other objects    {len(ignored)} kinds ignored{": " + list_some(list(ignored), 8) if ignored else ""}',
        f'layers           {backbone["depth"]} of width {backbone["embed_dim"]}, MLP ratio {backbone["mlp_ratio"]:g}',
        f'attention heads  {heads}',
        f'templates        2 of {template}',
        f'search region    {search}',
        f'head             {head["bins"]} bins, {"with" if head["score"] else "without"} score head',
        f'crop factors     {config["template_factor"]} and {config["search_factor"]} (not in the weights)']
