"""Reads the names and first boxes of targets from the command line."""
from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np

_SEPARATOR = re.compile(r'\s*,\s*|\s+')  # comma, tab or spaces


def read_box(path: str | os.PathLike, frame: int) -> np.ndarray:
    """Reads the box of a frame from a file with one box per line, such as ``groundtruth.txt``.

    Args:
        path: Path of the file; each line has the numbers x, y, w, h, separated by commas, tabs or spaces.
        frame: Number of the frame, counted from 1. Ignored if the file has only one line.

    Returns:
        The box (4,) float64, xywh in pixels.

    Raises:
        FileNotFoundError: The file does not exist.
        ValueError: The line does not exist or does not hold four numbers; the message names the file and the line.
    """
    if not Path(path).is_file():
        raise FileNotFoundError(f'file of boxes {path} does not exist (current folder: {Path.cwd()})')
    try:
        lines = Path(path).read_text(encoding='utf-8-sig').rstrip().splitlines()
    except UnicodeDecodeError as error:
        raise ValueError(f'{path} is not a text file: {error}') from error
    number = 1 if len(lines) == 1 else frame
    if number > len(lines):
        raise ValueError(f'{path} has {len(lines)} lines, so it has no box for frame {frame}')
    line = lines[number - 1].strip()
    try:
        values = [float(field) for field in _SEPARATOR.split(line)]
    except ValueError as error:
        raise ValueError(f'{path}:{number}: {line!r} is not a row of numbers ({error})') from error
    if len(values) != 4:
        raise ValueError(f'{path}:{number}: {line!r} has {len(values)} numbers, not four (x, y, width, height)')
    return np.array(values)


def name_targets(names: Sequence[str] | None, count: int, default: str) -> list[str]:
    """Returns the names of the targets, which also become names of files.

    Args:
        names: Names given by the user; None to use the default.
        count: Number of targets.
        default: Default name, with a number appended if there are several targets.

    Raises:
        ValueError: The number of names differs from that of targets, two names are equal, or a name is not a valid
            file name.

    Examples:
        >>> name_targets(None, 2, 'clip')
        ['clip_1', 'clip_2']
    """
    if not names:
        return [default] if count == 1 else [f'{default}_{number}' for number in range(1, count + 1)]
    if len(names) != count:
        raise ValueError(f'there are {count} targets, but {len(names)} names: {", ".join(names)}')
    if len({name.casefold() for name in names}) < count:
        raise ValueError(f'two targets have the same name: {", ".join(names)}')
    for name in names:
        if not name or name.startswith('.') or '/' in name or os.sep in name or '\0' in name:
            raise ValueError(f'{name!r} is not a valid name of a target: the track goes to a file with this name')
    return list(names)
