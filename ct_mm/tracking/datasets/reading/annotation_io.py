"""Reading the text files of benchmarks, with errors that name file and line."""
from __future__ import annotations

import re
from pathlib import Path

import numpy as np

_SEPARATOR = re.compile(r'\s*,\s*|\s+')  # comma, tab or spaces
_TABLES = Path(__file__).parents[1] / 'splits'


def read_lines(path: str | Path) -> list[str]:
    """Reads the lines of a text file, stripped, without blank lines at its end.

    Args:
        path: Path of the file, UTF-8 with or without a byte order mark.

    Returns:
        The lines.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: It is not a text file.
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
        columns: How many numbers each row must have.

    Returns:
        (T, columns) float64; ``nan`` in the file is NaN here.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: The file is empty, or a line is not a row of ``columns`` numbers; the message names file and line.
    """
    lines = read_lines(path)
    if not lines:
        raise ValueError(f'{path} is empty; it needs one line of {columns} numbers per frame')
    try:  # in C, for files without a fault
        values = np.loadtxt(lines, delimiter=',' if ',' in lines[0] else None, comments=None, ndmin=2)
        if values.shape == (len(lines), columns):
            return values
    except ValueError:
        pass  # mixed separators, or a fault that the slow way below can name
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
    """Reads the annotation of a test sequence whose other boxes the benchmark's server keeps.

    Args:
        path: Path of the file with one line of four numbers.
        length: How many frames the sequence has.

    Returns:
        (length, 4) float64, NaN from the second row on.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: It is not one line of four numbers.
    """
    given = read_numbers(path, columns=4)
    if len(given) != 1:
        raise ValueError(f'{path} has {len(given)} lines, but of a test sequence only the first box is given out')
    boxes = np.full((length, 4), np.nan)
    boxes[:1] = given
    return boxes


def read_series(path: str | Path) -> np.ndarray:
    """Reads one number per frame, all on one line with commas (LaSOT's flags) or one on each line (GOT-10k's).

    Args:
        path: Path of the file.

    Returns:
        (T,) float64.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: The file is empty, or something in it is no number; the message names file and line.
    """
    values = []
    for number, line in enumerate(read_lines(path), start=1):
        try:
            values += map(float, line.split(',') if ',' in line else line.split())
        except ValueError as error:
            raise ValueError(f'{path}:{number}: {line[:80]!r} does not hold numbers alone ({error})') from error
    if not values:
        raise ValueError(f'{path} is empty; it needs one number per frame')
    return np.array(values, dtype=np.float64)


def read_table(name: str) -> list[list[str]]:
    """Reads a table of facts about a benchmark that ships with the package.

    Args:
        name: Its file name in ``ct_mm/tracking/datasets/splits``.

    Returns:
        The fields of each row, which blanks separate in the file; lines that begin with ``#`` are comments.
    """
    return [line.split() for line in read_lines(_TABLES / name) if line and not line.startswith('#')]


def read_names(name: str) -> list[str]:
    """Reads a list of sequences that ships with the package.

    Args:
        name: Its file name in ``ct_mm/tracking/datasets/splits``. A row is what some names begin with, and after it
            what each of them ends with.

    Returns:
        The names in the order of the file.
    """
    return [beginning + ending for beginning, *endings in read_table(name) for ending in endings]
