"""Converts a file of OSTrack or CompressTracker and describes its content."""
from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ct_mm.engine.checkpoints.reading import check_weights, find_weights, read_checkpoint
from ct_mm.engine.checkpoints.writing import save_checkpoint
from ct_mm.tracking.models.ostrack.converter.tensors_only import load_tensors_only

from .config import HEAD_WIDTH, check_complete, format_model_config, ostrack_model_config
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
    if Path(dst).resolve() == Path(src).resolve():
        raise ValueError(f'{dst} is the file to convert: choose another output file')
    content, ignored = load_tensors_only(src) if ignore_objects else (_read_plain(src), [])
    state = check_weights(find_weights(content), src)
    if state is None:
        raise ValueError(f'{src} contains no weights')
    try:
        converted = convert_ostrack_keys(state, weights)
        config = ostrack_model_config(converted.state)
        check_complete(converted.state, config)
    except ValueError as error:
        raise ValueError(f'{src}: {error}') from error
    # Clone the tensors, since saving a view would save its whole storage.
    tensors = {key: value.detach().clone() for key, value in converted.state.items()}
    save_checkpoint(dict(state_dict=tensors, meta=dict(converted_from=Path(src).name, kind=converted.kind)), dst)
    return '\n'.join([f'read             {src}', *_describe(converted, config, ignored), f'written          {dst}', '',
                      format_model_config(config)])


def _read_plain(src: str | os.PathLike) -> Any:
    try:
        return read_checkpoint(src)
    except ValueError as error:
        if 'more than tensors' not in str(error):
            raise
        name = re.search(r'GLOBAL (\S+)', str(error.__cause__))
        if name is None:  # no object is named, so the file may not be a checkpoint at all
            raise
        raise ValueError(
            f'{src} holds more than tensors, such as {name[1]}, and reading these would run code from the file. '
            f'--ignore-objects reads only the tensors and runs no code; the released files need it, since they also '
            f'hold training settings') from error


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
