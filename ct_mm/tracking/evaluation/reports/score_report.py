"""Reports several trackers on a benchmark: scores over all sequences, by sequence and by attribute."""
from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ct_mm.engine.whole_file import write_text
from ct_mm.tracking.evaluation.reports.result_tables import csv_table, markdown_table, number, plural
from ct_mm.tracking.evaluation.reports.score_sheet import ScoreSheet
from ct_mm.tracking.evaluation.scoring.sequence_score import FORMATS


def write_score_report(sheet: ScoreSheet, folder: str | os.PathLike, title: str, pictures: Sequence[str] = (),
                       key: str | None = None) -> list[Path]:
    """Writes ``report.md``, ``scores.csv``, ``sequences.csv`` and, if there are attributes, ``attributes.csv``.

    Args:
        sheet: The scores.
        folder: Folder to write to; created if missing.
        title: Name of the benchmark for the title.
        pictures: File names of plots in this folder to include in the report.
        key: Score in the tables by sequence and attribute. Default: the main score.

    Returns:
        The paths of the files.
    """
    folder, key = Path(folder), sheet.check_key(key)
    text = [f'# {plural(len(sheet.trackers), "tracker")} on {title}', sheet.describe(), format_scores(sheet)]
    text += [f'![{Path(name).stem}]({name})' for name in pictures]
    scores = [(tracker, len(sheet.sequences), *(sheet.summary(tracker)[each] for each in sheet.keys))
              for tracker in sheet.rank(key)]
    files = [write_text(folder / 'scores.csv', csv_table(('tracker', 'sequences', *sheet.keys), scores)),
             write_text(folder / 'sequences.csv', _sequences_csv(sheet))]
    if sheet.attributes:
        text += [f'## {key} by attribute', format_attributes(sheet, key)]
        files.append(write_text(folder / 'attributes.csv', csv_table(
            ('attribute', 'sequences', 'tracker', *sheet.keys),
            [(attribute, len(numbers), tracker, *(sheet.summary(tracker, numbers).get(each, np.nan)
                                                  for each in sheet.keys))
             for attribute, numbers in sheet.attributes.items() for tracker in sheet.trackers])))
    text += [f'## {key} by sequence', format_sequences(sheet, key)]
    return [write_text(folder / 'report.md', '\n\n'.join(text) + '\n'), *files]


def format_scores(sheet: ScoreSheet) -> str:
    """Formats the benchmark's scores as a Markdown table, one row for each tracker, best first."""
    rows = []
    for tracker in sheet.rank(sheet.main_key):
        summary = sheet.summary(tracker)
        rows.append((tracker, *(number(summary[key], FORMATS[key]) for key in sheet.keys)))
    return markdown_table(('tracker', *sheet.keys), rows)


def format_attributes(sheet: ScoreSheet, key: str) -> str:
    """Formats a score by attribute as a Markdown table, one column for each tracker."""
    rows = [(attribute, str(len(numbers)), *(number(sheet.summary(tracker, numbers).get(key, np.nan), FORMATS[key])
                                             for tracker in sheet.trackers))
            for attribute, numbers in sheet.attributes.items()]
    return markdown_table(('attribute', 'sequences', *sheet.trackers), rows)


def format_sequences(sheet: ScoreSheet, key: str) -> str:
    """Formats a score by sequence as a Markdown table, one column for each tracker."""
    columns = [sheet.each(tracker, key) for tracker in sheet.trackers]
    rows = [(name, str(frames), *(number(column[index], FORMATS[key]) for column in columns))
            for index, (name, frames) in enumerate(zip(sheet.sequences, sheet.frames))]
    return markdown_table(('sequence', 'frames', *sheet.trackers), rows)


def _sequences_csv(sheet: ScoreSheet) -> str:
    """Formats all scores as CSV, one row for each sequence and tracker."""
    attributes = attributes_of(sheet)
    values = {(tracker, key): sheet.each(tracker, key) for tracker in sheet.trackers for key in sheet.keys}
    rows = [(name, int(sheet.frames[index]), '; '.join(attributes[index]), tracker,
             *(float(values[tracker, key][index]) for key in sheet.keys))
            for index, name in enumerate(sheet.sequences) for tracker in sheet.trackers]
    return csv_table(('sequence', 'frames', 'attributes', 'tracker', *sheet.keys), rows)


def attributes_of(sheet: ScoreSheet) -> list[list[str]]:
    """Returns the names of the attributes of each sequence."""
    names: list[list[str]] = [[] for _ in sheet.sequences]
    for attribute, numbers in sheet.attributes.items():
        for index in numbers:
            names[index].append(attribute)
    return names
