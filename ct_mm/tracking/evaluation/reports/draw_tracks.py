"""Draws saved tracks into videos of their sequences."""
from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from ct_mm.tracking.evaluation.reports.tracker_report import write_track_video
from ct_mm.tracking.evaluation.results.saved_tracks import SavedTracks
from ct_mm.tracking.visualization import choose_colors
from ct_mm.tracking.visualization.draw_boxes import ANNOTATION


def draw_tracks(tracks: SavedTracks, folder: Path, frames: tuple[int, int] | None = None,
                fps: float | None = None) -> Iterator[Path]:
    """Writes a video of each sequence with all tracks, the annotation where the object is visible, and a frame counter.

    Args:
        tracks: The tracks.
        folder: Folder for the videos, ``NAME.mp4``.
        frames: First frame and the one after the last, 0-based. Default: all.
        fps: Frames per second. Default: that of a source video; 25 for image files.

    Yields:
        The path of each file after it is written.

    Raises:
        ValueError: A sequence lacks the frames, there are more trackers than colours, or the legend cannot show a
            name. Nothing is written in this case.
    """
    colors = choose_colors(tracks.trackers)
    if ANNOTATION in tracks.trackers or len(set(colors.values())) < len(colors):
        raise ValueError(f'only {len(set(colors.values())) - 1} of {len(tracks.trackers)} trackers can have their own '
                         f'colour, and none may be named {ANNOTATION!r}: {", ".join(tracks.trackers)}')
    strange = [name for name in tracks.trackers if not name.isascii()]
    if strange:
        raise ValueError(f'the legend can only show ASCII, so rename {", ".join(strange)}')
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
