"""Tables of results, for people (Markdown) and for programs (CSV)."""
from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence


def markdown_table(header: Sequence[str], rows: Iterable[Sequence[str]], left: int = 1) -> str:
    """A table in Markdown, its columns aligned for the eye.

    Args:
        header: Titles of the columns.
        rows: Cells as text, as many as there are titles.
        left: How many columns are aligned to the left; the others, of numbers, are to the right.
    """
    lines = [[str(cell).replace('|', '\\|') for cell in line] for line in (header, *rows)]
    widths = [max(3, *(len(line[column]) for line in lines)) for column in range(len(header))]
    padded = [[cell.ljust(width) if column < left else cell.rjust(width)
               for column, (cell, width) in enumerate(zip(line, widths))] for line in lines]
    rule = ['-' * width if column < left else '-' * (width - 1) + ':' for column, width in enumerate(widths)]
    return '\n'.join(f'| {" | ".join(line)} |' for line in (padded[0], rule, *padded[1:]))


def csv_table(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A table as comma-separated values, numbers unrounded; an empty cell stands for NaN."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator='\n')
    writer.writerow(header)
    writer.writerows([_cell(value) for value in row] for row in rows)
    return stream.getvalue()


def number(value: float, form: str) -> str:
    """A number for people; a dash stands for NaN."""
    return '-' if value != value else format(value, form)


def _cell(value: object) -> object:
    if isinstance(value, float):
        return '' if value != value else repr(float(value))
    return value
