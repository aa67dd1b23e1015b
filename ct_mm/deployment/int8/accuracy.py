"""How well trackers of any kind follow targets: before and after a quantisation, for example."""
from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from ct_mm.tracking.datasets.reading import FrameSequence
from ct_mm.tracking.evaluation.reports.result_tables import markdown_table
from ct_mm.tracking.evaluation.scoring.got10k_toolkit import got10k_ious, got10k_scores
from ct_mm.tracking.runtime.init_tracker import Tracker


def average_overlaps(trackers: Mapping[str, Tracker], sequences: Sequence[FrameSequence],
                     progress: Callable[[int], None] | None = None) -> dict[str, dict[str, float]]:
    """Average overlap (GOT-10k's convention, a fraction) of each tracker on each sequence.

    Args:
        trackers: By name; anything with ``init`` and ``track``.
        sequences: Annotated sequences; a tracker sees the box of the first frame only.
        progress: Called after each frame with the number of frames done, of all sequences.

    Returns:
        By tracker: average overlap by sequence, and over all frames under ``all``.
    """
    ious: dict[str, dict[str, np.ndarray]] = {name: {} for name in trackers}
    done = 0
    for sequence in sequences:
        boxes: dict[str, list] = {name: [sequence.boxes[0]] for name in trackers}
        for index, image in enumerate(sequence):
            for name, tracker in trackers.items():
                if index == 0:
                    tracker.init(image, sequence.boxes[0])
                else:
                    boxes[name].append(tracker.track(image)[0])
            done += 1
            if progress is not None:
                progress(done)
        for name, track in boxes.items():
            ious[name][sequence.name] = got10k_ious(
                np.stack(track), sequence.boxes, sequence.image_size, sequence.visible)
    return {
        name: {**{key: got10k_scores(value)['ao'] for key, value in by_sequence.items() if len(value)},
               'all': got10k_scores(np.concatenate(list(by_sequence.values())))['ao']}
        for name, by_sequence in ious.items()
    }


def accuracy_table(overlaps: Mapping[str, Mapping[str, float]], change: bool = True) -> str:
    """The overlaps in Markdown, a row for each sequence; with two trackers also what the second one lost.

    Args:
        overlaps: From :func:`average_overlaps`.
        change: Whether that loss gets a column.
    """
    names = list(overlaps)
    change = change and len(names) == 2
    header, rows = ['sequence', *names, *(['change'] if change else [])], []
    for sequence in overlaps[names[0]]:
        values = [overlaps[name][sequence] for name in names]
        row = [sequence, *(f'{value:.3f}' for value in values)]
        rows.append(row + ([f'{values[1] - values[0]:+.3f}'] if change else []))
    return markdown_table(header, rows)
