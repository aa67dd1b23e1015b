"""Stored tracks drawn into videos of their sequences."""
from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from ct_mm.tracking.evaluation.reports.tracker_report import write_track_video
from ct_mm.tracking.evaluation.results.saved_tracks import SavedTracks
from ct_mm.tracking.visualization import choose_colors
from ct_mm.tracking.visualization.draw_boxes import ANNOTATION


def draw_tracks(tracks: SavedTracks, folder: Path, frames: tuple[int, int] | None = None,
                fps: float | None = None) -> Iterator[Path]:
    """Writes one video for each sequence: all trackers, the annotation where the object is visible, a frame counter.

    Args:
        tracks: The tracks.
        folder: Where to; ``NAME.mp4``.
        frames: First frame and the one after the last, 0-based. Default: all.
        fps: Frames per second. Default: those of the video; 25 for image files.

    Yields:
        Each file, when it is written.

    Raises:
        ValueError: A sequence has no such frames, or the trackers cannot be told apart: too many, or by names that the
            legend cannot show. Nothing is written then.
    """
    colors = choose_colors(tracks.trackers)
    if ANNOTATION in tracks.trackers or len(set(colors.values())) < len(colors):
        raise ValueError(f'{len(set(colors.values())) - 1} trackers can be told apart by their colours, none of them '
                         f'called {ANNOTATION!r}, but there are {len(tracks.trackers)}: {", ".join(tracks.trackers)}')
    strange = [name for name in tracks.trackers if not name.isascii()]
    if strange:
        raise ValueError(f'the legend is written in ASCII, so give {", ".join(strange)} another name')
    chosen = []
    for sequence in tracks.sequences:
        first, stop = frames or (0, len(sequence))
        if not 0 <= first < stop <= len(sequence):
            raise ValueError(f'sequence {sequence.name!r} has frames 1 to {len(sequence)}, not {first + 1} to {stop}')
        chosen.append(range(first, stop))
    for index, (sequence, numbers) in enumerate(zip(tracks.sequences, chosen)):
        path = folder / f'{sequence.name}.mp4'
        boxes = {name: tracks.boxes[name][index] for name in tracks.trackers}
        write_track_video(path, sequence, boxes, {name: name for name in boxes}, colors, numbers, fps)
        yield path
