"""Compares two trackers on the same sequences, with a confidence interval for the difference."""
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
    """A mean difference and its confidence interval.

    Attributes:
        mean: Second tracker minus first, in the unit of the score.
        low: Lower end of the interval.
        high: Upper end of the interval.
    """

    mean: float
    low: float
    high: float


class ResultsComparison:
    """Compares the second of two trackers with the first, sequence by sequence.

    Args:
        sheet: Scores of the two trackers.
        key: Score to compare. Default: success, or AO on GOT-10k.
        resamples: Number of bootstrap resamples for the interval. Default: 10000.
        confidence: Fraction of the resampled differences inside the interval. Default: 0.95.
        seed: Seed of the resampling. Default: 0.

    Attributes:
        names: Names of the two trackers.
        gains: Second score minus first for each sequence, (S,); NaN if no frame of it is scored.

    Raises:
        ValueError: There are not two trackers, the convention lacks the score, or a number is out of range.
    """

    def __init__(self, sheet: ScoreSheet, key: str | None = None, resamples: int = 10000, confidence: float = 0.95,
                 seed: int = 0) -> None:
        if len(sheet.trackers) != 2:
            raise ValueError(f'a comparison needs two trackers, not {", ".join(sheet.trackers)}')
        if not 0 < confidence < 1 or resamples < 1:
            raise ValueError(f'confidence must be between 0 and 1 and resamples at least 1, not {confidence} and '
                             f'{resamples}')
        self.sheet, self.key, self.names = sheet, sheet.check_key(key), sheet.trackers
        self.resamples, self.confidence, self.seed = resamples, confidence, seed
        self.gains = sheet.each(self.names[1], self.key) - sheet.each(self.names[0], self.key)

    def difference(self, numbers: list[int] | None = None) -> Difference:
        """Returns the mean difference, weighted as in the benchmark, with its percentile bootstrap interval.

        Sequences are drawn with replacement (Efron and Tibshirani, "An Introduction to the Bootstrap", 1993), so the
        interval shows how much the difference depends on the benchmark's choice of sequences.

        Args:
            numbers: Indices of the sequences. Default: all.
        """
        chosen = np.arange(len(self.gains)) if numbers is None else np.asarray(numbers)
        chosen = chosen[np.isfinite(self.gains[chosen])]
        if not len(chosen):
            return Difference(np.nan, np.nan, np.nan)
        rng, share = np.random.default_rng(self.seed), np.full(len(chosen), 1 / len(chosen))
        counts = rng.multinomial(len(chosen), share, size=self.resamples)  # (R, S), draws of each sequence
        first, second = (self._means(name, np.concatenate([np.ones_like(counts[:1]), counts]), chosen)
                         for name in self.names)  # (1 + R,)
        differences = second - first
        low, high = np.quantile(differences[1:], [(1 - self.confidence) / 2, (1 + self.confidence) / 2])
        return Difference(float(differences[0]), float(low), float(high))

    def _means(self, name: str, counts: np.ndarray, chosen: np.ndarray) -> np.ndarray:
        """Returns a tracker's score with sequence s repeated ``counts[r, s]`` times, (R,)."""
        scores, weights = (values[chosen] for values in (self.sheet.each(name, self.key),
                                                         self.sheet.weights(name, self.key)))
        return counts @ (weights * scores) / np.maximum(counts @ weights, 1)

    def order(self) -> np.ndarray:
        """Returns the indices of the scored sequences, sorted by decreasing gain of the second tracker."""
        scored = np.flatnonzero(np.isfinite(self.gains))
        return scored[np.argsort(-self.gains[scored], kind='stable')]

    def write(self, folder: str | os.PathLike, title: str, top: int = 10) -> list[Path]:
        """Writes the report ``comparison.md`` and all sequences as ``comparison.csv``.

        Args:
            folder: Folder to write to; created if missing.
            title: Name of the benchmark for the title.
            top: Number of sequences that the report lists for wins and for losses.

        Returns:
            The paths of the files.
        """
        folder = Path(folder)
        return [write_text(folder / 'comparison.md', self.format(title, top)),
                write_text(folder / 'comparison.csv', self._csv())]

    def format(self, title: str, top: int = 10) -> str:
        """Returns the report in Markdown (see :meth:`write`)."""
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
        """Returns the result as one paragraph."""
        first, second = self.names
        found, form = self.difference(), '+' + FORMATS[self.key]
        scored = self.gains[np.isfinite(self.gains)]
        better, worse = int((scored > 0).sum()), int((scored < 0).sum())
        text = (f'Difference in {self.key}, {second} minus {first}: **{number(found.mean, form)}**; '
                f'{self.confidence:.0%} bootstrap interval over the sequences {number(found.low, form)} to '
                f'{number(found.high, form)} ({self.resamples} resamples, seed {self.seed}). {second} is better on '
                f'{better}, worse on {worse} and equal on {len(scored) - better - worse} of {len(scored)} sequences.')
        if len(scored) < len(self.gains):
            text += f' {len(self.gains) - len(scored)} have no scored frame.'
        return text

    def _table(self, numbers: np.ndarray) -> str:
        attributes, form = attributes_of(self.sheet), FORMATS[self.key]
        scores = [self.sheet.each(name, self.key) for name in self.names]
        extra = ['attributes'] if self.sheet.attributes else []
        rows = [[self.sheet.sequences[i], *(', '.join(attributes[i]) for _ in extra), str(self.sheet.frames[i]),
                 *(number(score[i], form) for score in scores), number(self.gains[i], '+' + form)] for i in numbers]
        header = ['sequence', *extra, 'frames', *self.names, 'difference']
        return markdown_table(header, rows, 1 + len(extra))

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
