"""Reports a comparison of trackers as a Markdown table, a CSV file and videos of the sequences."""
from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from itertools import islice
from pathlib import Path

import cv2
import numpy as np
import torch

from ct_mm.engine.whole_file import write_text
from ct_mm.tracking.datasets.reading import FrameSequence
from ct_mm.tracking.evaluation.reports.compare_trackers import ComparisonRow, compare_trackers
from ct_mm.tracking.evaluation.reports.result_tables import csv_table, markdown_table, plural
from ct_mm.tracking.evaluation.scoring.tracks import has_box
from ct_mm.tracking.models import BaseTracker
from ct_mm.tracking.visualization import VideoWriter, add_legend, choose_colors, draw_boxes
from ct_mm.tracking.visualization.draw_boxes import ANNOTATION

_HEADER = ('tracker', 'layers', 'parameters (M)', 'GFLOPs', 'ms per frame', 'speed', 'AO', 'success')


def write_report(trackers: Mapping[str, BaseTracker], sequences: Sequence[FrameSequence], folder: str | os.PathLike,
                 video_of: Sequence[str] | None = None,
                 progress: Callable[[str, int], None] | None = None) -> tuple[list[ComparisonRow], str]:
    """Compares trackers and writes ``report.md``, ``report.csv`` and one video for each sequence.

    Args:
        trackers: Trackers by name; speeds are relative to the first.
        sequences: Annotated sequences.
        folder: Folder to write to; created if missing. Files of an earlier report are replaced.
        video_of: Names of the trackers to draw in addition to the annotation. Default: all; an empty list writes no
            videos.
        progress: See :func:`~ct_mm.tracking.evaluation.reports.compare_trackers.compare_trackers`.

    Returns:
        The rows, and the text for the log: the table, an explanation of its columns, and the paths of all files.

    Raises:
        ValueError: If ``video_of`` names an unknown tracker, or there is nothing to compare.
    """
    folder = Path(folder)
    video_of = check_video_of(trackers, video_of)
    rows, tracks = compare_trackers(trackers, sequences, progress)
    table, notes = format_table(rows), describe_table(trackers, sequences)
    folder.mkdir(parents=True, exist_ok=True)
    videos = []
    if video_of:
        colors = choose_colors(trackers)
        labels = {row.name: f'{row.name}  {row.ms_per_frame:.1f} ms' for row in rows if row.name in video_of}
        for sequence in sequences:
            videos.append(folder / f'{sequence.name}.mp4')
            drawn = {name: tracks[sequence.name][name] for name in labels}
            write_track_video(videos[-1], sequence, drawn, labels, colors)
    text = [f'# Comparison of {len(rows)} trackers', table, notes]
    if videos:
        text.append('Videos: ' + ', '.join(f'[{path.stem}]({path.relative_to(folder).as_posix()})' for path in videos))
    write_text(folder / 'report.md', '\n\n'.join(text) + '\n')
    write_text(folder / 'report.csv', format_csv(rows))
    paths = '\n'.join(f'  {path}' for path in (folder / 'report.md', folder / 'report.csv', *videos))
    return rows, f'{table}\n\n{notes}\n\nwritten:\n{paths}'


def format_table(rows: Sequence[ComparisonRow]) -> str:
    """Formats the rows as a Markdown table."""
    return markdown_table(_HEADER, [
        (row.name, '-' if row.layers is None else str(row.layers), f'{row.parameters / 1e6:.2f}',
         f'{row.flops / 1e9:.3f}', f'{row.ms_per_frame:.2f}', f'{row.speed:.2f}x', f'{row.ao:.3f}',
         f'{row.success:.1f}') for row in rows])


def describe_table(trackers: Mapping[str, BaseTracker], sequences: Sequence[FrameSequence]) -> str:
    """Explains the columns of the table and how they were measured."""
    device = next(next(iter(trackers.values())).parameters()).device
    frames = sum(len(sequence) for sequence in sequences)
    machine = str(device)
    if device.type == 'cpu':
        machine = f'CPU with {plural(torch.get_num_threads(), "thread")}'
    elif device.type == 'cuda':
        machine = torch.cuda.get_device_name(device)
    return (f'{plural(len(sequences), "sequence")} ({", ".join(sequence.name for sequence in sequences)}), '
            f'{plural(frames, "frame")}.\n\n'
            '- GFLOPs: operations of the network per frame (one pair of template and search region), including '
            'attention products; a multiplication and an addition count as two.\n'
            '- ms per frame: median time of cropping, network and placing the box over all frames, without reading '
            'the frame; the trackers take turns frame by frame in one process; '
            f'{machine}, PyTorch {torch.__version__}.\n'
            f'- speed: relative to {next(iter(trackers))}.\n'
            "- AO: average overlap over all frames after the first (GOT-10k's convention), a fraction.\n"
            '- success: area under the success curve, in percent.')


def format_csv(rows: Sequence[ComparisonRow]) -> str:
    """Formats the rows as comma-separated values, unrounded, with the field names of :class:`ComparisonRow`."""
    return csv_table(list(asdict(rows[0])), [list(asdict(row).values()) for row in rows])


def write_track_video(path: Path, sequence: FrameSequence, tracks: Mapping[str, np.ndarray], labels: Mapping[str, str],
                      colors: Mapping[str, tuple[int, int, int]], frames: range | None = None,
                      fps: float | None = None) -> None:
    """Writes a video of a sequence with its annotation and the boxes of some trackers.

    Args:
        path: Path of the MP4 file.
        sequence: The sequence; its annotation is drawn where the object is visible.
        tracks: Boxes (T, 4), xywh in pixels, by tracker.
        labels: Text of the legend by tracker.
        colors: RGB by name.
        frames: Indices of the frames to show, 0-based and increasing. Default: all.
        fps: Frames per second. Default: that of a source video; 25 for image files.
    """
    labels = {ANNOTATION: ANNOTATION, **labels}
    drawn = sequence.visible & has_box(sequence.boxes)  # (T,)
    digits = len(str(len(sequence)))
    if frames is None:
        frames, images = range(len(sequence)), iter(sequence)
    elif sequence.is_video:  # decode the video only once, from its start
        images = islice(sequence, frames.start, frames.stop, frames.step)
    else:
        images = (sequence[index] for index in frames)
    with VideoWriter(path, fps=_frame_rate(sequence) if fps is None else fps) as writer:
        for image, index in zip(images, frames):  # in this order, a video reports frames beyond its last box
            truth = sequence.boxes[index] if drawn[index] else None
            boxes = {**{name: track[index] for name, track in tracks.items()}, ANNOTATION: truth}
            counter = f'{index + 1:0{digits}d}/{len(sequence)}'
            writer.write(add_legend(draw_boxes(image, boxes, colors), labels, colors, counter))


def check_video_of(trackers: Mapping[str, object], video_of: Sequence[str] | None) -> list[str]:
    """Returns the names of the trackers to draw, by default all.

    Raises:
        ValueError: If a name does not belong to a tracker.
    """
    names = list(trackers if video_of is None else video_of)
    unknown = [name for name in names if name not in trackers]
    if unknown or isinstance(video_of, str):
        raise ValueError(f'video_of must be a list of names from {", ".join(trackers)}, not {video_of!r}')
    return names


def _frame_rate(sequence: FrameSequence) -> float:
    rate = 0.0
    if sequence.is_video:
        capture = cv2.VideoCapture(sequence.frames)
        rate = capture.get(cv2.CAP_PROP_FPS)
        capture.release()
    return rate if 1 <= rate <= 120 else 25.0  # image files have no rate, and some headers hold nonsense
