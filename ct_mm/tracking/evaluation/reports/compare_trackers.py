"""Several trackers on the same sequences: what they cost, how fast they are and how well they track."""
from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from ct_mm.tracking.datasets.reading import FrameSequence
from ct_mm.tracking.evaluation.scoring.got10k_toolkit import got10k_ious, got10k_scores
from ct_mm.tracking.evaluation.scoring.success import ope_scores
from ct_mm.tracking.evaluation.tracker_cost import count_frame_flops, count_layers, count_parameters
from ct_mm.tracking.models import BaseTracker

#: Boxes (T, 4) xywh in pixels, by sequence and by tracker.
Tracks = dict[str, dict[str, np.ndarray]]
WARM_UP_FRAMES = 5


@dataclass(frozen=True)
class ComparisonRow:
    """One tracker of a comparison.

    Attributes:
        name: Its name.
        layers: Layers of its backbone, ``None`` if it has no stack of layers.
        parameters: Number of parameters.
        flops: Operations for one frame, see :func:`~ct_mm.tracking.evaluation.tracker_cost.count_frame_flops`.
        ms_per_frame: Median time of one ``track`` in milliseconds: cropping, network and reading the box off.
        speed: How many times as fast as the first tracker of the comparison.
        ao: Average overlap in GOT-10k's convention, over all frames of all sequences, a fraction.
        success: Area under the success curve, the mean over sequences, in percent.
    """

    name: str
    layers: int | None
    parameters: int
    flops: int
    ms_per_frame: float
    speed: float
    ao: float
    success: float


def compare_trackers(trackers: Mapping[str, BaseTracker], sequences: Sequence[FrameSequence],
                     progress: Callable[[str, int], None] | None = None) -> tuple[list[ComparisonRow], Tracks]:
    """Runs trackers over sequences in one pass and measures them on the way.

    Every frame is read once and given to all trackers in turn, each time in another order, so that whatever else slows
    the machine down meets them all. Only ``track`` is timed.

    Args:
        trackers: By name; each an object of its own, since a tracker remembers its target.
        sequences: Annotated sequences; a tracker sees the box of their first frame only.
        progress: Called with the name of a sequence and the number of its frames done.

    Returns:
        One row for each tracker in the order given, and all tracks.

    Raises:
        ValueError: If there is nothing to compare, two names share one tracker or two sequences a name, no sequence
            has a second frame, or no object is visible after the first frames.
    """
    _check(trackers, sequences)
    modes = {name: tracker.training for name, tracker in trackers.items()}
    for tracker in trackers.values():
        tracker.eval()
    try:
        first = next(iter(sequences[0]))
        flops = {name: count_frame_flops(tracker, first, sequences[0].boxes[0]) for name, tracker in trackers.items()}
        for tracker in trackers.values():
            tracker.init(first, sequences[0].boxes[0])
            for _ in range(WARM_UP_FRAMES):
                tracker.track(first)
        tracks: Tracks = {}
        seconds: dict[str, list[float]] = {name: [] for name in trackers}
        for sequence in sequences:
            tracks[sequence.name] = _run(trackers, sequence, seconds, progress)
    finally:
        for name, tracker in trackers.items():
            tracker.train(modes[name])
    medians = {name: float(np.median(times)) * 1e3 for name, times in seconds.items()}
    slowest = medians[next(iter(trackers))]
    rows = []
    for name, tracker in trackers.items():
        ao, success = _scores(name, sequences, tracks)
        rows.append(
            ComparisonRow(name, count_layers(tracker), count_parameters(tracker), flops[name], medians[name],
                          slowest / medians[name], ao, success))
    return rows, tracks


def _run(trackers: Mapping[str, BaseTracker], sequence: FrameSequence, seconds: dict[str, list[float]],
         progress: Callable[[str, int], None] | None) -> dict[str, np.ndarray]:
    names = list(trackers)
    boxes = {name: [sequence.boxes[0]] for name in names}
    for index, image in enumerate(sequence):
        turn = index % len(names)
        for name in names[turn:] + names[:turn]:
            if index == 0:
                trackers[name].init(image, sequence.boxes[0])
                continue
            _synchronize()
            start = time.perf_counter()
            box, _ = trackers[name].track(image)
            _synchronize()
            seconds[name].append(time.perf_counter() - start)
            boxes[name].append(box)
        if progress is not None:
            progress(sequence.name, index + 1)
    return {name: np.stack(track) for name, track in boxes.items()}  # each (T, 4)


def _scores(name: str, sequences: Sequence[FrameSequence], tracks: Tracks) -> tuple[float, float]:
    """Average overlap over all frames and the mean area under the success curve, as ``ct_mm.SOTMetric`` has them."""
    ious, areas = [], []
    for sequence in sequences:
        track = tracks[sequence.name][name]
        ious.append(got10k_ious(track, sequence.boxes, sequence.image_size, sequence.visible))
        areas.append(ope_scores(track, sequence.boxes, sequence.visible)['success'])
    return got10k_scores(np.concatenate(ious))['ao'], float(np.mean(areas))


def _synchronize() -> None:
    # Work on an accelerator may go on after the call that started it has returned.
    if torch.cuda.is_available() and torch.cuda.is_initialized():
        torch.cuda.synchronize()


def _check(trackers: Mapping[str, BaseTracker], sequences: Sequence[FrameSequence]) -> None:
    if not trackers or not sequences:
        raise ValueError(f'nothing to compare: {len(trackers)} trackers, {len(sequences)} sequences')
    if len({id(tracker) for tracker in trackers.values()}) < len(trackers):
        raise ValueError(f'two of the names {", ".join(trackers)} stand for one tracker object; each needs its own, '
                         'since a tracker remembers its target')
    names = [sequence.name for sequence in sequences]
    if len(set(names)) < len(names):
        raise ValueError(f'two sequences have the same name: {", ".join(names)}')
    if all(len(sequence) < 2 for sequence in sequences):
        raise ValueError('no sequence has a second frame, so nothing can be tracked')
