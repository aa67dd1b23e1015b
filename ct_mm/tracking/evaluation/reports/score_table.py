"""Tabulates the scores of a tracker on a benchmark: overall, by attribute and by sequence."""
from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ct_mm.engine.whole_file import write_text
from ct_mm.tracking.evaluation.reports.result_tables import csv_table, markdown_table, number
from ct_mm.tracking.evaluation.reports.score_sheet import group_by_attribute
from ct_mm.tracking.evaluation.scoring import conventions
from ct_mm.tracking.evaluation.scoring.sequence_score import FORMATS, SequenceScore


@dataclass(frozen=True)
class _Row:
    kind: str
    name: str
    sequences: int
    frames: int
    numbers: dict[str, float]

    @property
    def label(self) -> str:
        return f'{self.name} ({self.sequences})' if self.kind == 'attribute' else self.name

    def cells(self, keys: Sequence[str]) -> list[float]:
        return [self.numbers.get(key, float('nan')) for key in keys]


class ScoreTable:
    """Formats scores as tables for the log, in Markdown and in CSV.

    Args:
        scores: Scores of the sequences in the order of the table; at least one.
        attributes: Names of the attributes of each sequence, or None if the benchmark has none.
        convention: Name of the convention of the scores.
        benchmark: Name of the benchmark.
        title: Title of the report. Default: the benchmark.
        note: Note below the table, for example on sequences that are not in it. Default: no note.

    Attributes:
        summary: Scores of the whole set by name.

    Raises:
        ValueError: There is no sequence.
    """

    def __init__(self, scores: Sequence[SequenceScore], attributes: Sequence[Sequence[str] | None], convention: str,
                 benchmark: str | None = None, title: str | None = None, note: str = '') -> None:
        self.title = title or benchmark or 'the sequences'
        self.rules = conventions.get(convention).describe(benchmark) + (f'\n\n{note}' if note else '')
        self.summary = conventions.summarize(scores, convention)
        curves = conventions.get(convention).thresholds
        self._keys = [key for key in FORMATS if key in curves or key in ('ao', 'sr50', 'sr75')]
        self._all = _Row('all', f'all {len(scores)} sequences', len(scores), sum(score.frames for score in scores),
                         self.summary)
        self._sequences = [_Row('sequence', score.name, 1, score.frames, score.numbers()) for score in scores]
        self._attributes = []
        for attribute, indices in group_by_attribute(attributes).items():
            chosen = [scores[index] for index in indices]
            self._attributes.append(_Row('attribute', attribute, len(chosen), sum(score.frames for score in chosen),
                                         conventions.summarize(chosen, convention)))

    def text(self, limit: int = 30) -> str:
        """Returns the table for the log.

        Args:
            limit: Largest number of sequences that get their own rows. Default: 30.

        Returns:
            The table, followed by the scoring rules.
        """
        blocks = [('sequence', [*(self._sequences if len(self._sequences) <= limit else []), self._all])]
        if self._attributes:
            blocks.append(('attribute', self._attributes))
        width = max(len('attribute'), *(len(row.label) for _, rows in blocks for row in rows))
        widths = [max(len(key), 5) for key in self._keys]
        lines = []
        for title, rows in blocks:
            header = ' '.join(f'{key:>{size}}' for key, size in zip(self._keys, widths))
            lines += ['', f'{title:<{width}} {"frames":>8} {header}']
            for row in rows:
                cells = ' '.join(f'{number(value, FORMATS[key]):>{size}}'
                                 for key, value, size in zip(self._keys, row.cells(self._keys), widths))
                lines.append(f'{row.label:<{width}} {row.frames:8d} {cells}')
        return '\n'.join([*lines, '', self.rules])

    def markdown(self) -> str:
        """Returns all rows in Markdown, with the scoring rules."""
        parts = [f'# Scores on {self.title}', self.rules, self._markdown('', [self._all])]
        if self._attributes:
            parts += ['## By attribute', self._markdown('attribute', self._attributes)]
        parts += ['## By sequence', self._markdown('sequence', self._sequences)]
        return '\n\n'.join(parts) + '\n'

    def csv(self) -> str:
        """Returns all rows as CSV with numbers unrounded, and an empty cell if no frame is scored.

        Columns: ``kind`` (all, attribute or sequence), ``name``, ``sequences``, ``frames`` and the scores.
        """
        rows = [self._all, *self._attributes, *self._sequences]
        return csv_table(('kind', 'name', 'sequences', 'frames', *self._keys),
                         [(row.kind, 'all' if row.kind == 'all' else row.name, row.sequences, row.frames,
                           *row.cells(self._keys)) for row in rows])

    def write(self, folder: str | os.PathLike) -> list[Path]:
        """Writes ``scores.md`` and ``scores.csv`` atomically and returns their paths."""
        folder = Path(folder)
        return [write_text(folder / 'scores.md', self.markdown()), write_text(folder / 'scores.csv', self.csv())]

    def _markdown(self, title: str, rows: Sequence[_Row]) -> str:
        # Only attributes cover a varying number of sequences.
        count = ['sequences'] if title == 'attribute' else []
        cells = [(row.name, *([str(row.sequences)] if count else []), str(row.frames),
                  *(number(value, FORMATS[key]) for key, value in zip(self._keys, row.cells(self._keys))))
                 for row in rows]
        return markdown_table((title, *count, 'frames', *self._keys), cells)
