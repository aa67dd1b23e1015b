"""Compares the cost, the speed and the accuracy of several trackers on the same sequences."""
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
from ct_mm.tracking.runtime.init_tracker import Tracker

#: Boxes (T, 4), xywh in pixels, by sequence and then by tracker.
Tracks = dict[str, dict[str, np.ndarray]]
WARM_UP_FRAMES = 5


@dataclass(frozen=True)
class ComparisonRow:
    """Results of one tracker.

    Attributes:
        name: Name of the tracker.
        layers: Number of layers of the backbone, ``None`` if it has no stack of layers.
        parameters: Number of parameters.
        flops: Operations per frame, see :func:`~ct_mm.tracking.evaluation.tracker_cost.count_frame_flops`.
        ms_per_frame: Median time of ``track`` in milliseconds: cropping, network and placing the box.
        speed: Speed relative to the first tracker of the comparison.
        ao: Average overlap in GOT-10k's convention over all frames of all sequences, a fraction.
        success: Area under the success curve, averaged over sequences, in percent.
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
    """Runs trackers over sequences in one pass and measures their speed and accuracy.

    Every frame is read once and passed to all trackers in rotating order, so that disturbances of the machine affect
    all of them alike. Only ``track`` is timed.

    Args:
        trackers: Trackers by name; each needs its own object, since a tracker keeps the state of its target.
        sequences: Annotated sequences; a tracker sees only the box of the first frame.
        progress: Called with the name of a sequence and the number of its frames done.

    Returns:
        One row for each tracker in the order given, and all tracks.

    Raises:
        ValueError: If there is nothing to compare, two names share a tracker, two sequences share a name, no sequence
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
            tracks[sequence.name] = track_in_turn(trackers, sequence, seconds, progress)
    finally:
        for name, tracker in trackers.items():
            tracker.train(modes[name])
    medians = {name: float(np.median(times)) * 1e3 for name, times in seconds.items()}
    first = medians[next(iter(trackers))]
    return [ComparisonRow(name, count_layers(tracker), count_parameters(tracker), flops[name], medians[name],
                          first / medians[name], *_scores(name, sequences, tracks))
            for name, tracker in trackers.items()], tracks


def track_in_turn(trackers: Mapping[str, Tracker], sequence: FrameSequence,
                  seconds: Mapping[str, list[float]] | None = None,
                  progress: Callable[[str, int], None] | None = None) -> dict[str, np.ndarray]:
    """Runs trackers over a sequence frame by frame in rotating order.

    Args:
        trackers: Trackers by name.
        sequence: The sequence; a tracker sees only the box of the first frame.
        seconds: Lists by tracker that the time of each ``track`` is appended to. Default: keep no times.
        progress: Called with the name of the sequence and the number of its frames done.

    Returns:
        Boxes (T, 4), xywh in pixels, by tracker.
    """
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
            if seconds is not None:
                seconds[name].append(time.perf_counter() - start)
            boxes[name].append(box)
        if progress is not None:
            progress(sequence.name, index + 1)
    return {name: np.stack(track) for name, track in boxes.items()}  # each (T, 4)


def _scores(name: str, sequences: Sequence[FrameSequence], tracks: Tracks) -> tuple[float, float]:
    """Returns the average overlap and the mean area under the success curve, as in ``ct_mm.SOTMetric``."""
    ious, areas = [], []
    for sequence in sequences:
        track = tracks[sequence.name][name]
        ious.append(got10k_ious(track, sequence.boxes, sequence.image_size, sequence.visible))
        areas.append(ope_scores(track, sequence.boxes, sequence.visible)['success'])
    return got10k_scores(np.concatenate(ious))['ao'], float(np.mean(areas))


def _synchronize() -> None:
    # Calls return before the accelerator has finished their work.
    if torch.cuda.is_available() and torch.cuda.is_initialized():
        torch.cuda.synchronize()


def _check(trackers: Mapping[str, BaseTracker], sequences: Sequence[FrameSequence]) -> None:
    if not trackers or not sequences:
        raise ValueError(f'nothing to compare: {len(trackers)} trackers, {len(sequences)} sequences')
    if len({id(tracker) for tracker in trackers.values()}) < len(trackers):
        raise ValueError(f'two of the names {", ".join(trackers)} refer to one tracker object; each needs its own, '
                         'since a tracker keeps the state of its target')
    names = [sequence.name for sequence in sequences]
    if len(set(names)) < len(names):
        raise ValueError(f'two sequences have the same name: {", ".join(names)}')
    if all(len(sequence) < 2 for sequence in sequences):
        raise ValueError('no sequence has a second frame, so there is nothing to track')
