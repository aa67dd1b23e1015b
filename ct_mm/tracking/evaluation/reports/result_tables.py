"""Formats tables in Markdown and CSV."""
from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence


def markdown_table(header: Sequence[str], rows: Iterable[Sequence[str]], left: int = 1) -> str:
    """Formats a Markdown table with padded columns.

    Args:
        header: Titles of the columns.
        rows: Cells as text, one for each title.
        left: Number of left-aligned columns; the others hold numbers and are right-aligned.

    Examples:
        >>> print(markdown_table(('tracker', 'AO'), [('small', '0.61')]))
        | tracker |   AO |
        | ------- | ---: |
        | small   | 0.61 |
    """
    lines = [[str(cell).replace('|', '\\|') for cell in line] for line in (header, *rows)]
    widths = [max(3, *(len(line[column]) for line in lines)) for column in range(len(header))]
    padded = [[cell.ljust(width) if column < left else cell.rjust(width)
               for column, (cell, width) in enumerate(zip(line, widths))] for line in lines]
    rule = ['-' * width if column < left else '-' * (width - 1) + ':' for column, width in enumerate(widths)]
    return '\n'.join(f'| {" | ".join(line)} |' for line in (padded[0], rule, *padded[1:]))


def csv_table(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Formats a table as comma-separated values, with numbers unrounded and an empty cell for NaN."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator='\n')
    writer.writerow(header)
    writer.writerows([_cell(value) for value in row] for row in rows)
    return stream.getvalue()


def number(value: float, form: str) -> str:
    """Formats a number; NaN becomes a dash."""
    return '-' if value != value else format(value, form)


def plural(count: int, noun: str) -> str:
    """Returns a count with its noun: ``1 frame``, ``2 frames``."""
    return f'{count} {noun}' if count == 1 else f'{count} {noun}s'


def _cell(value: object) -> object:
    if isinstance(value, float):
        return '' if value != value else repr(float(value))
    return value
