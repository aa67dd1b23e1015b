"""Two trackers on the same sequences: where one wins and loses, and how sure the difference is."""
from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ct_mm.engine.whole_file import write_text
from ct_mm.tracking.evaluation.reports.result_tables import csv_table, markdown_table, number
from ct_mm.tracking.evaluation.reports.score_report import attributes_of, format_scores
from ct_mm.tracking.evaluation.reports.score_sheet import ScoreSheet
from ct_mm.tracking.evaluation.scoring.sequence_score import FORMATS


@dataclass(frozen=True)
class Difference:
    """A mean difference and the interval that holds it.

    Attributes:
        mean: Second tracker less first, in the unit of the score.
        low: Lower end of the interval.
        high: Upper end.
    """

    mean: float
    low: float
    high: float


class ResultsComparison:
    """Compares the second of two trackers with the first, sequence by sequence.

    Args:
        sheet: The scores of the two.
        key: The score to compare by. Default: success, or AO on GOT-10k.
        resamples: How often the sequences are drawn anew for the interval. Defaults to 10000.
        confidence: What share of the resampled differences the interval holds. Defaults to 0.95.
        seed: Seed of the draws. Defaults to 0.

    Attributes:
        names: Names of the two.
        gains: Second score less first of every sequence, (S,); NaN where no frame counts.

    Raises:
        ValueError: There are not two trackers, or the convention has no such score.
    """

    def __init__(self, sheet: ScoreSheet, key: str | None = None, resamples: int = 10000, confidence: float = 0.95,
                 seed: int = 0) -> None:
        if len(sheet.trackers) != 2:
            raise ValueError(f'a comparison needs two trackers, not {", ".join(sheet.trackers)}')
        if not 0 < confidence < 1 or resamples < 1:
            raise ValueError(f'confidence must lie between 0 and 1, and resamples be at least 1, not {confidence} and '
                             f'{resamples}')
        self.sheet, self.key, self.names = sheet, sheet.check_key(key), sheet.trackers
        self.resamples, self.confidence, self.seed = resamples, confidence, seed
        self.gains = sheet.each(self.names[1], self.key) - sheet.each(self.names[0], self.key)

    def difference(self, numbers: list[int] | None = None) -> Difference:
        """The mean difference as the benchmark weighs it, with its percentile bootstrap interval.

        The sequences are drawn with replacement (Efron and Tibshirani, "An Introduction to the Bootstrap", 1993): the
        interval says how much the difference depends on which sequences the benchmark happens to hold.

        Args:
            numbers: The sequences. Default: all.
        """
        chosen = np.arange(len(self.gains)) if numbers is None else np.asarray(numbers)
        chosen = chosen[np.isfinite(self.gains[chosen])]
        if not len(chosen):
            return Difference(np.nan, np.nan, np.nan)
        rng, share = np.random.default_rng(self.seed), np.full(len(chosen), 1 / len(chosen))
        counts = rng.multinomial(len(chosen), share, size=self.resamples)  # (R, S), how often each was drawn
        first, second = (self._means(name, np.concatenate([np.ones_like(counts[:1]), counts]), chosen)
                         for name in self.names)  # (1 + R,)
        differences = second - first
        low, high = np.quantile(differences[1:], [(1 - self.confidence) / 2, (1 + self.confidence) / 2])
        return Difference(float(differences[0]), float(low), float(high))

    def _means(self, name: str, counts: np.ndarray, chosen: np.ndarray) -> np.ndarray:
        """One tracker's score where sequence s is there ``counts[r, s]`` times, (R,)."""
        scores, weights = (values[chosen] for values in (self.sheet.each(name, self.key),
                                                         self.sheet.weights(name, self.key)))
        return counts @ (weights * scores) / np.maximum(counts @ weights, 1)

    def order(self) -> np.ndarray:
        """Numbers of the sequences, those that the second tracker wins most first; only those with a score."""
        scored = np.flatnonzero(np.isfinite(self.gains))
        return scored[np.argsort(-self.gains[scored], kind='stable')]

    def write(self, folder: str | os.PathLike, title: str, top: int = 10) -> list[Path]:
        """Writes ``comparison.md`` and ``comparison.csv``, the latter with every sequence.

        Args:
            folder: Where to; made if missing.
            title: Name of the benchmark for the headline.
            top: How many sequences the report names on either side.

        Returns:
            The files.
        """
        folder = Path(folder)
        return [write_text(folder / 'comparison.md', self.format(title, top)),
                write_text(folder / 'comparison.csv', self._csv())]

    def format(self, title: str, top: int = 10) -> str:
        """The report in Markdown (see :meth:`write`)."""
        first, second = self.names
        order = self.order()
        won, lost = order[self.gains[order] > 0], order[::-1][self.gains[order[::-1]] < 0]
        text = [f'# {second} against {first} on {title}', self.sheet.describe(), format_scores(self.sheet),
                self.headline()]
        for words, numbers in ((f'{second} wins', won), (f'{second} loses', lost)):
            text += [f'## Sequences that {words} most', self._table(numbers[:top]) if len(numbers) else 'None.']
        if self.sheet.attributes:
            text += ['## By attribute', self._attribute_table()]
        return '\n\n'.join(text) + '\n'

    def headline(self) -> str:
        """The result in one paragraph."""
        first, second = self.names
        found, form = self.difference(), '+' + FORMATS[self.key]
        scored = self.gains[np.isfinite(self.gains)]
        better, worse = int((scored > 0).sum()), int((scored < 0).sum())
        text = (f'Difference in {self.key}, {second} less {first}: **{number(found.mean, form)}**; '
                f'{self.confidence:.0%} bootstrap interval over the sequences {number(found.low, form)} to '
                f'{number(found.high, form)} '
                f'({self.resamples} resamples, seed {self.seed}). {second} is better on {better}, worse on {worse} and '
                f'equal on {len(scored) - better - worse} of {len(scored)} sequences.')
        if len(scored) < len(self.gains):
            text += f' {len(self.gains) - len(scored)} have no frame that counts.'
        return text

    def _table(self, numbers: np.ndarray) -> str:
        attributes, form = attributes_of(self.sheet), FORMATS[self.key]
        scores = [self.sheet.each(name, self.key) for name in self.names]
        header, left = ['sequence', 'frames', *self.names, 'difference'], 1
        rows = [[self.sheet.sequences[i], str(self.sheet.frames[i]), *(number(score[i], form) for score in scores),
                 number(self.gains[i], '+' + form)] for i in numbers]
        if self.sheet.attributes:
            header.insert(1, 'attributes')
            left = 2
            for row, i in zip(rows, numbers):
                row.insert(1, ', '.join(attributes[i]))
        return markdown_table(header, rows, left)

    def _attribute_table(self) -> str:
        form, rows = FORMATS[self.key], []
        for attribute, numbers in self.sheet.attributes.items():
            found = self.difference(numbers)
            scores = [self.sheet.summary(name, numbers).get(self.key, np.nan) for name in self.names]
            rows.append((attribute, str(len(numbers)), *(number(score, form) for score in scores),
                         number(found.mean, '+' + form),
                         f'{number(found.low, "+" + form)} to {number(found.high, "+" + form)}'))
        return markdown_table(('attribute', 'sequences', *self.names, 'difference', 'interval'), rows)

    def _csv(self) -> str:
        attributes, scores = attributes_of(self.sheet), [self.sheet.each(name, self.key) for name in self.names]
        scored = self.order()
        order = [*scored, *np.setdiff1d(np.arange(len(self.gains)), scored)]
        rows = [(self.sheet.sequences[i], int(self.sheet.frames[i]), '; '.join(attributes[i]),
                 *(float(score[i]) for score in scores), float(self.gains[i])) for i in order]
        return csv_table(('sequence', 'frames', 'attributes', *(f'{name} {self.key}' for name in self.names),
                          'difference'), rows)
