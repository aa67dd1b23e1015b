"""Reads the text files of benchmarks; errors name file and line."""
from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np

_SEPARATOR = re.compile(r'\s*,\s*|\s+')  # comma, tab or spaces
_TABLES = Path(__file__).parents[1] / 'splits'


def read_lines(path: str | Path) -> list[str]:
    """Reads the lines of a text file, stripped, without blank lines at the end.

    Args:
        path: Path of the file, UTF-8 with or without a byte order mark.

    Returns:
        The lines.

    Raises:
        FileNotFoundError: The file does not exist.
        ValueError: The file is not a text file.
    """
    try:
        text = Path(path).read_text(encoding='utf-8-sig')
    except UnicodeDecodeError as error:
        raise ValueError(f'{path} is not a text file: {error}') from error
    return [line.strip() for line in text.rstrip().splitlines()]


def read_numbers(path: str | Path, columns: int) -> np.ndarray:
    """Reads a table of numbers separated by commas, tabs or spaces.

    Args:
        path: Path of the file, one row per frame.
        columns: Number of columns that each row must have.

    Returns:
        (T, columns) float64; ``nan`` in the file becomes NaN.

    Raises:
        FileNotFoundError: The file does not exist.
        ValueError: The file is empty, or a line is not a row of ``columns`` numbers; the message names file and line.
    """
    lines = read_lines(path)
    if not lines:
        raise ValueError(f'{path} is empty; it needs one line of {columns} numbers per frame')
    try:  # fast, for well-formed files
        values = np.loadtxt(lines, delimiter=',' if ',' in lines[0] else None, comments=None, ndmin=2)
        if values.shape == (len(lines), columns):
            return values
    except ValueError:
        pass  # mixed separators, or an error whose line the slow path below reports
    rows = []
    for number, line in enumerate(lines, start=1):
        fields = _SEPARATOR.split(line)
        try:
            row = [float(field) for field in fields]
        except ValueError as error:
            raise ValueError(f'{path}:{number}: {line!r} is not a row of numbers ({error})') from error
        if len(row) != columns:
            raise ValueError(f'{path}:{number}: {line!r} has {len(row)} numbers, but each line needs {columns}' +
                             (' (x, y, width, height)' if columns == 4 else ''))
        rows.append(row)
    return np.array(rows, dtype=np.float64)


def read_first_box(path: str | Path, length: int) -> np.ndarray:
    """Reads the annotation of a test sequence of which only the first box is public.

    Args:
        path: Path of the file with one line of four numbers.
        length: Number of frames of the sequence.

    Returns:
        (length, 4) float64, NaN from the second row on.

    Raises:
        FileNotFoundError: The file does not exist.
        ValueError: The file is not one line of four numbers.
    """
    given = read_numbers(path, columns=4)
    if len(given) != 1:
        raise ValueError(f'{path} has {len(given)} lines, but must have one: only the first box of a test sequence is '
                         'public')
    boxes = np.full((length, 4), np.nan)
    boxes[:1] = given
    return boxes


def read_series(path: str | Path, like: str | Path = '', count: int | None = None) -> np.ndarray:
    """Reads one number per frame, either all on one line with commas (LaSOT's flags) or one on each line (GOT-10k's).

    Args:
        path: Path of the file.
        like: Path of the file that has one line per frame, for the error message.
        count: Number of lines in ``like``. Default: any number of values is accepted.

    Returns:
        (T,) float64.

    Raises:
        FileNotFoundError: The file does not exist.
        ValueError: The file is empty, contains something other than numbers, or has another number of values than
            ``count``; the message names the file, and the line where one is wrong.
    """
    values = []
    for number, line in enumerate(read_lines(path), start=1):
        try:
            values += map(float, line.split(',') if ',' in line else line.split())
        except ValueError as error:
            raise ValueError(f'{path}:{number}: {line[:80]!r} does not consist of numbers ({error})') from error
    if not values:
        raise ValueError(f'{path} is empty')
    if count not in (None, len(values)):
        raise ValueError(f'{path} has {len(values)} values, but {like} has {count} lines')
    return np.array(values, dtype=np.float64)


def read_attributes(path: str | Path, names: Sequence[str]) -> list[str] | None:
    """Reads which of a benchmark's challenges a sequence has.

    Args:
        path: Path of the file with one flag, 0 or 1, for each name.
        names: Names of the challenges in the order of the flags.

    Returns:
        The names whose flag is 1, or None if the file does not exist.

    Raises:
        ValueError: The file does not hold one flag for each name; the message names the file.
    """
    if not Path(path).is_file():
        return None
    flags = read_series(path)  # (len(names),)
    if len(flags) != len(names) or not np.isin(flags, (0, 1)).all():
        raise ValueError(f'{path} must hold {len(names)} flags, each 0 or 1, but holds {flags.tolist()}')
    return [name for name, flag in zip(names, flags) if flag]


def read_table(name: str) -> list[list[str]]:
    """Reads a table of facts about a benchmark that ships with the package.

    Args:
        name: Its file name in ``ct_mm/tracking/datasets/splits``.

    Returns:
        The fields of each row, separated by blanks in the file. Lines that begin with ``#`` are comments.
    """
    return [line.split() for line in read_lines(_TABLES / name) if line and not line.startswith('#')]


def read_names(name: str) -> list[str]:
    """Reads a list of sequences that ships with the package.

    Args:
        name: Its file name in ``ct_mm/tracking/datasets/splits``. Each row holds a common beginning of some names,
            followed by the ending of each of them.

    Returns:
        The names in the order of the file.
    """
    return [beginning + ending for beginning, *endings in read_table(name) for ending in endings]
