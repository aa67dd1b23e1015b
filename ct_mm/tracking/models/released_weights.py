"""What converters of released weights share: reading a file, checking a model's weights, writing the converted file."""
from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from ct_mm.engine.checkpoints.reading import check_weights, find_weights, read_checkpoint
from ct_mm.engine.checkpoints.tensors_only import load_tensors_only
from ct_mm.engine.checkpoints.writing import save_checkpoint
from ct_mm.registry import MODELS


def read_released(src: str | os.PathLike, ignore_objects: bool = False) -> tuple[dict[str, Tensor], list[str]]:
    """Reads the weights of a released file without running code from it.

    Args:
        src: File with the weights under ``net``, ``state_dict``, ``model`` or at the top level.
        ignore_objects: Whether to skip everything that is not a tensor or a plain value, instead of raising an error.

    Returns:
        The weights by name, and the sorted names of the kinds of objects that were skipped.

    Raises:
        FileNotFoundError: If the file does not exist.
        ValueError: If the file is damaged, has no weights, or holds objects without ``ignore_objects``.
    """
    content, ignored = load_tensors_only(src) if ignore_objects else (_read_plain(src), [])
    state = check_weights(find_weights(content), src)
    if state is None:
        raise ValueError(f'{src} contains no weights')
    return state, ignored


def _read_plain(src: str | os.PathLike) -> object:
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


def check_other_file(src: str | os.PathLike, dst: str | os.PathLike) -> None:
    """Raises a ValueError if the output file is the input file."""
    if Path(dst).resolve() == Path(src).resolve():
        raise ValueError(f'{dst} is the file to convert: choose another output file')


def write_converted(state: Mapping[str, Tensor], src: str | os.PathLike, dst: str | os.PathLike, kind: str) -> None:
    """Writes converted weights, and from which file and which kind of model they are."""
    # Clone the tensors, since saving a view would save its whole storage.
    tensors = {key: value.detach().clone() for key, value in state.items()}
    save_checkpoint(dict(state_dict=tensors, meta=dict(converted_from=Path(src).name, kind=kind)), dst)


def check_complete(state: Mapping[str, Tensor], config: dict) -> None:
    """Checks that weights fit a model exactly.

    Args:
        state: The weights.
        config: Config of the model for these weights. ``backbone.num_heads`` may be ``None`` if it is unknown.

    Raises:
        ValueError: If a weight is missing, unexpected or has a different shape; the message lists the first ones.
    """
    # One head gives weights of the same shapes as any other number.
    with torch.device('meta'):
        model = MODELS.build({**config, 'backbone': {**config['backbone'], 'num_heads': 1}})
    own = model.state_dict()
    faults = [f'{key} is missing' for key in own if key not in state]
    faults += [f'{key!a} is unexpected' for key in state if key not in own]
    faults += [f'{key} has shape {tuple(state[key].shape)} instead of {tuple(value.shape)}'
               for key, value in own.items() if key in state and state[key].shape != value.shape]
    if faults:
        raise ValueError(f'the weights do not form a complete model, {len(faults)} faults: {"; ".join(faults[:6])}')


def format_model_config(config: dict) -> str:
    """Formats a config as source code for a config file, with one argument per line."""
    return f'model = dict(\n{_arguments(config, 4)})'


def _arguments(values: dict, indent: int) -> str:
    lines = [f'{key}=dict(\n{_arguments(value, indent + 4)})' if isinstance(value, dict) else f'{key}={value!r}'
             for key, value in values.items()]
    return ',\n'.join(' ' * indent + line for line in lines)


def shape_of(state: Mapping[str, Tensor], key: str, ndim: int) -> tuple[int, ...]:
    """Returns the shape of a weight.

    Raises:
        ValueError: If the weight is missing, empty, or has another number of dimensions.
    """
    if key not in state:
        raise ValueError(f'{key} is missing from the {len(state)} weights')
    shape = tuple(state[key].shape)
    if len(shape) != ndim or 0 in shape:
        raise ValueError(f'{key} has shape {shape}, but must have {ndim} dimensions')
    return shape


def list_some(keys: list[str], limit: int = 5) -> str:
    """Lists the first names of weights, escaped, and how many more there are."""
    more = f' and {len(keys) - limit} more' if len(keys) > limit else ''
    return ', '.join(map(ascii, keys[:limit])) + more
