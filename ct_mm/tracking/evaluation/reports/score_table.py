"""The scores of one tracker on one benchmark as a table: of all sequences, by attribute, and of each."""
from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ct_mm.engine.whole_file import write_text
from ct_mm.tracking.evaluation.reports.result_tables import csv_table, markdown_table, number
from ct_mm.tracking.evaluation.scoring import conventions
from ct_mm.tracking.evaluation.scoring.sequence_score import FORMATS, SequenceScore


@dataclass(frozen=True)
class _Row:
    kind: str
    name: str
    sequences: int
    frames: int
    numbers: dict[str, float]

    def cells(self, keys: Sequence[str]) -> list[float]:
        return [self.numbers.get(key, float('nan')) for key in keys]


class ScoreTable:
    """Tables for the log, for people (Markdown) and for programs (CSV).

    Args:
        scores: The scores of the sequences, in the order of the table; at least one.
        attributes: For each sequence the names of its attributes, or None where the benchmark has none.
        convention: Name of the convention that they were scored in.
        benchmark: Name of the benchmark.
        title: What was scored, for the headline. Default: the benchmark.
        note: Said below the table, such as what is not in it. Default: nothing.

    Attributes:
        summary: The scores of the whole set by name.

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
        for attribute in sorted({name for names in attributes for name in names or ()}):
            chosen = [score for score, names in zip(scores, attributes) if attribute in (names or ())]
            self._attributes.append(
                _Row('attribute', attribute, len(chosen), sum(score.frames for score in chosen),
                     conventions.summarize(chosen, convention)))

    def text(self, limit: int = 30) -> str:
        """For the log.

        Args:
            limit: The rows of the sequences are left out if there are more than this. Defaults to 30.

        Returns:
            The table and, below it, the rules it was computed by.
        """
        blocks = [('sequence', [*(self._sequences if len(self._sequences) <= limit else []), self._all])]
        if self._attributes:
            blocks.append(('attribute', self._attributes))
        labels = {id(row): f'{row.name} ({row.sequences})' if row.kind == 'attribute' else row.name
                  for _, rows in blocks for row in rows}
        width = max(len(label) for label in (*labels.values(), 'attribute'))
        widths = [max(len(key), 5) for key in self._keys]
        lines = []
        for title, rows in blocks:
            header = ' '.join(f'{key:>{size}}' for key, size in zip(self._keys, widths))
            lines += ['', f'{title:<{width}} {"frames":>8} {header}']
            for row in rows:
                cells = ' '.join(f'{number(value, FORMATS[key]):>{size}}'
                                 for key, value, size in zip(self._keys, row.cells(self._keys), widths))
                lines.append(f'{labels[id(row)]:<{width}} {row.frames:8d} {cells}')
        return '\n'.join([*lines, '', self.rules])

    def markdown(self) -> str:
        """For people: all rows, with the rules they were computed by."""
        parts = [f'# Scores on {self.title}', self.rules, self._markdown('', [self._all])]
        if self._attributes:
            parts += ['## By attribute', self._markdown('attribute', self._attributes)]
        parts += ['## By sequence', self._markdown('sequence', self._sequences)]
        return '\n\n'.join(parts) + '\n'

    def csv(self) -> str:
        """For programs: all rows, numbers unrounded, an empty cell where no frame counts.

        Columns: ``kind`` (all, attribute or sequence), ``name``, ``sequences``, ``frames`` and the scores.
        """
        rows = [self._all, *self._attributes, *self._sequences]
        return csv_table(('kind', 'name', 'sequences', 'frames', *self._keys),
                         [(row.kind, 'all' if row.kind == 'all' else row.name, row.sequences, row.frames,
                           *row.cells(self._keys)) for row in rows])

    def write(self, folder: str | os.PathLike) -> list[Path]:
        """Writes ``scores.md`` and ``scores.csv``, each whole or not at all, and returns their paths."""
        folder = Path(folder)
        return [write_text(folder / 'scores.md', self.markdown()), write_text(folder / 'scores.csv', self.csv())]

    def _markdown(self, title: str, rows: Sequence[_Row]) -> str:
        # Only a row that stands for several sequences says how many.
        count = ['sequences'] if title == 'attribute' else []
        cells = [(row.name, *([str(row.sequences)] if count else []), str(row.frames),
                  *(number(value, FORMATS[key]) for key, value in zip(self._keys, row.cells(self._keys))))
                 for row in rows]
        return markdown_table((title, *count, 'frames', *self._keys), cells)
