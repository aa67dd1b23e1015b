"""Compares the accuracy of trackers of any kind, for example before and after quantisation."""
from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from ct_mm.tracking.datasets.reading import FrameSequence
from ct_mm.tracking.evaluation.reports.compare_trackers import track_in_turn
from ct_mm.tracking.evaluation.reports.result_tables import markdown_table
from ct_mm.tracking.evaluation.scoring.got10k_toolkit import got10k_ious, got10k_scores
from ct_mm.tracking.runtime.init_tracker import Tracker


def average_overlaps(trackers: Mapping[str, Tracker], sequences: Sequence[FrameSequence],
                     progress: Callable[[int], None] | None = None) -> dict[str, dict[str, float]]:
    """Computes the average overlap (GOT-10k's convention, a fraction) of each tracker on each sequence.

    Args:
        trackers: Trackers by name; anything with ``init`` and ``track``.
        sequences: Annotated sequences; a tracker sees only the box of the first frame.
        progress: Called after each frame with the number of frames done in all sequences together.

    Returns:
        For each tracker, the average overlap by sequence, and that over all frames under ``all``.
    """
    ious: dict[str, dict[str, np.ndarray]] = {name: {} for name in trackers}
    done = 0
    for sequence in sequences:
        report = progress and (lambda _, frames, before=done: progress(before + frames))
        for name, track in track_in_turn(trackers, sequence, progress=report).items():
            ious[name][sequence.name] = got10k_ious(track, sequence.boxes, sequence.image_size, sequence.visible)
        done += len(sequence)
    return {name: {**{key: got10k_scores(value)['ao'] for key, value in by_sequence.items() if len(value)},
                   'all': got10k_scores(np.concatenate(list(by_sequence.values())))['ao']}
            for name, by_sequence in ious.items()}


def accuracy_table(overlaps: Mapping[str, Mapping[str, float]], change: bool = True) -> str:
    """Formats overlaps as a Markdown table with a row for each sequence.

    Args:
        overlaps: Result of :func:`average_overlaps`.
        change: Whether to add, for two trackers, a column with the second's overlap minus the first's.
    """
    names = list(overlaps)
    change = change and len(names) == 2
    header, rows = ['sequence', *names, *(['change'] if change else [])], []
    for sequence in overlaps[names[0]]:
        values = [overlaps[name][sequence] for name in names]
        rows.append([sequence, *(f'{value:.3f}' for value in values),
                     *([f'{values[1] - values[0]:+.3f}'] if change else [])])
    return markdown_table(header, rows)
