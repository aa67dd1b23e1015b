"""Converts a file of OSTrack or CompressTracker and says what was in it."""
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
    """Reads, converts and writes one file.

    Args:
        src: File to read; the weights are under ``net``, ``state_dict``, ``model`` or at its top.
        dst: File to write: ``{'state_dict': ..., 'meta': ...}``.
        weights: ``student`` or ``teacher``, see :func:`convert_ostrack_keys`.
        ignore_objects: Leave out whatever is not a tensor or a plain value, instead of refusing the file.

    Returns:
        What was read and written, and the config of the model; several lines.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is damaged, holds objects that were not to be ignored, or is not a whole OSTrack.
    """
    if Path(dst).resolve() == Path(src).resolve():
        raise ValueError(f'{dst} is the file to convert: name another one to write')
    content, ignored = load_tensors_only(src) if ignore_objects else (_read_plain(src), [])
    state = check_weights(find_weights(content), src)
    if state is None:
        raise ValueError(f'{src} holds no weights')
    try:
        converted = convert_ostrack_keys(state, weights)
        config = ostrack_model_config(converted.state)
        check_complete(converted.state, config)
    except ValueError as error:
        raise ValueError(f'{src}: {error}') from error
    # Clones, lest a view of a larger tensor take all of that with it into the file.
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
        if name is None:  # no object is named, so it may well be no checkpoint at all
            raise
        raise ValueError(
            f'{src} holds more than tensors, such as {name[1]}, and reading that would run code from the file. '
            f'--ignore-objects reads the tensors alone and runs nothing; the files that the authors released need it, '
            f'as they hold the training settings') from error


def _describe(converted: OSTrackWeights, config: dict, ignored: Sequence[str]) -> list[str]:
    backbone, head = config['backbone'], config['head']
    template, search = (backbone[f'{name}_size'] for name in ('template', 'search'))
    patch, factors = backbone['patch_size'], f'{config["template_factor"]} and {config["search_factor"]}'
    heads = backbone['num_heads'] and f'{backbone["num_heads"]} (not in the weights; assumed to be {HEAD_WIDTH} wide)'
    unknown_heads = f'not in the weights, and the width is no multiple of {HEAD_WIDTH}: fill in num_heads'
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
        f'crop factors     {factors} (not in the weights; those published for this size)',
    ]
