"""What to track: names and first boxes, as somebody gives them on a command line."""
from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np

_SEPARATOR = re.compile(r'\s*,\s*|\s+')  # comma, tab or spaces


def read_box(path: str | os.PathLike, frame: int) -> np.ndarray:
    """Reads the box of one frame from a file with a box on each line, such as ``groundtruth.txt``.

    Args:
        path: The file; four numbers x, y, w, h on a line, separated by commas, tabs or spaces.
        frame: Number of the frame, counted from 1. A file of a single line gives that line.

    Returns:
        (4,) float64.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: It has no such line, or it is not four numbers; the message names file and line.
    """
    if not Path(path).is_file():
        raise FileNotFoundError(f'there is no file of boxes {path} (seen from {Path.cwd()})')
    try:
        lines = Path(path).read_text(encoding='utf-8-sig').rstrip().splitlines()
    except UnicodeDecodeError as error:
        raise ValueError(f'{path} is not a text file: {error}') from error
    number = 1 if len(lines) == 1 else frame
    if number > len(lines):
        raise ValueError(f'{path} has {len(lines)} lines, so it has no box of frame {frame}')
    line = lines[number - 1].strip()
    try:
        values = [float(field) for field in _SEPARATOR.split(line)]
    except ValueError as error:
        raise ValueError(f'{path}:{number}: {line!r} is not a row of numbers ({error})') from error
    if len(values) != 4:
        raise ValueError(f'{path}:{number}: {line!r} has {len(values)} numbers, not four (x, y, width, height)')
    return np.array(values)


def name_targets(names: Sequence[str] | None, count: int, default: str) -> list[str]:
    """Names of the targets, each of which becomes the name of a file.

    Args:
        names: As given; None if not.
        count: How many targets there are.
        default: Name of a single target without a name; several are numbered behind it.

    Raises:
        ValueError: There are more or fewer names than targets, two are alike, or one is none for a file.
    """
    if not names:
        return [default] if count == 1 else [f'{default}_{number}' for number in range(1, count + 1)]
    if len(names) != count:
        raise ValueError(f'there are {count} targets, but {len(names)} names: {", ".join(names)}')
    if len({name.casefold() for name in names}) < count:
        raise ValueError(f'two targets have the same name: {", ".join(names)}')
    for name in names:
        if not name or name.startswith('.') or '/' in name or os.sep in name or '\0' in name:
            raise ValueError(f'{name!r} cannot be the name of a target: its track is written to a file of that name')
    return list(names)
