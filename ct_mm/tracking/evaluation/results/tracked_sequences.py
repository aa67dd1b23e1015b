"""Tracks of one tracker on the sequences of a benchmark, computed on first access."""
from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
from torch.utils.data import Dataset

from ct_mm.tracking.datasets.benchmarks.sequence_dataset import SequenceDataset
from ct_mm.tracking.datasets.reading import FrameSequence
from ct_mm.tracking.evaluation.results.result_folder import ResultFolder


class TrackedSequences(Dataset):
    """A data set whose item i is the track of sequence i, read from the result folder or computed and written there.

    The same loop therefore serves new and resumed evaluations, in one process, in the worker processes of a data loader
    and in several ranks, and scores always come from the files. A killed process loses only its current sequence.

    Args:
        tracker: A :class:`~ct_mm.tracking.models.BaseTracker`, or a model with a ``track_sequence`` method.
        dataset: The data set with the sequences.
        results: Result folder to read tracks from and write them to.

    Raises:
        ValueError: The tracker or the data set has the wrong type, or two sequences share a name.
    """

    def __init__(self, tracker: Any, dataset: SequenceDataset, results: ResultFolder) -> None:
        if not callable(getattr(tracker, 'track_sequence', None)):
            raise ValueError(f'{type(tracker).__name__} is not a tracker: it has no track_sequence. Trackers are '
                             'subclasses of ct_mm.tracking.models.BaseTracker')
        if not isinstance(dataset, SequenceDataset):
            raise ValueError(f'test_dataloader.dataset: {type(dataset).__name__} is not a set of sequences. These are '
                             'subclasses of ct_mm.tracking.datasets.benchmarks.SequenceDataset')
        names = dataset.names
        if len(set(names)) < len(names):
            twice = next(name for name in names if names.count(name) > 1)
            raise ValueError(f'{dataset.title}: two sequences are named {twice!r}, so their tracks would share a file')
        self.tracker, self.dataset, self.results = tracker, dataset, results

    def __len__(self) -> int:
        return len(self.dataset)

    def missing(self) -> list[int]:
        """Returns the indices of the sequences without a track, in the order of the data set.

        Raises:
            ValueError: Existing files are damaged or belong to other sequences, or a tracker cannot start on some
                sequences; the message names all of them.
        """
        missing, faults = [], []
        for index in range(len(self)):
            try:
                if self.read(self.dataset.get_sequence(index)) is None:
                    missing.append(index)
            except ValueError as error:
                faults.append(str(error))
        self.dataset.check_starts(missing)
        if faults:
            raise ValueError(
                f'{len(faults)} of the tracks in {self.results.path} cannot be used:\n    ' + '\n    '.join(faults) +
                '\nThe files were complete when they were written, so something else has changed them. Delete them to '
                'track their sequences again, or start over (--fresh)')
        return missing

    def read(self, sequence: FrameSequence) -> np.ndarray | None:
        """Reads the track of a sequence from its file.

        Returns:
            Boxes (T, 4) float64, xywh in pixels; None if there is no file.

        Raises:
            ValueError: The file is damaged, or its first box is not that of the sequence.
        """
        boxes = self.results.read(sequence.name, len(sequence))
        if boxes is not None and not _starts(boxes, sequence):
            raise ValueError(f'{self.results.file_of(sequence.name)}:1: the track starts at {boxes[0].tolist()}, '
                             f'but the sequence at {sequence.boxes[0].tolist()}: it belongs to another sequence or '
                             'annotation')
        return boxes

    def __getitem__(self, index: int) -> dict:
        """Returns one track.

        Args:
            index: Index of the sequence.

        Returns:
            ``name``; ``boxes`` (T, 4) float64, xywh in pixels; ``seconds`` spent on tracking, 0 if there was a file.

        Raises:
            ValueError: The tracker's boxes are invalid (see :meth:`ResultFolder.write`), there is not one for each
                frame, or the first is not the given box.
        """
        sequence, start = self.dataset.get_sequence(index), time.perf_counter()
        boxes, seconds = self.read(sequence), 0.0
        if boxes is None:
            frames = _WatchedFrames(sequence)
            with torch.inference_mode():
                track, _ = self.tracker.track_sequence(frames)
            if len(track) != len(sequence) or not _starts(track, sequence):
                raise ValueError(f'sequence {sequence.name!r}: a track must have {len(sequence)} boxes and start with '
                                 f'{sequence.boxes[0].tolist()}, but {type(self.tracker).__name__}.track_sequence '
                                 f'returned {len(track)}, starting with {list(map(list, track[:1]))}')
            self.results.write(sequence.name, track, frames.seconds)
            boxes, seconds = self.read(sequence), time.perf_counter() - start
        return dict(name=sequence.name, boxes=boxes, seconds=seconds)


def balanced_shares(lengths: Sequence[int], parts: int) -> list[list[int]]:
    """Divides sequences into parts with about the same number of frames.

    The longest remaining sequence goes to the part with the fewest frames. The largest part is then at most 4/3 of the
    optimum (Graham, "Bounds on Multiprocessing Timing Anomalies", 1969).

    Args:
        lengths: Number of frames of each sequence, (S,).
        parts: Number of parts.

    Returns:
        Indices of the sequences of each part, longest first; a part can be empty. The result is deterministic.

    Examples:
        >>> balanced_shares([10, 40, 30, 20], 2)
        [[1, 0], [2, 3]]
    """
    shares, frames = [[] for _ in range(parts)], [0] * parts
    for index in sorted(range(len(lengths)), key=lambda index: (-lengths[index], index)):
        part = frames.index(min(frames))
        shares[part].append(index)
        frames[part] += int(lengths[index])
    return shares


def _starts(track: np.ndarray, sequence: FrameSequence) -> bool:
    return len(track) > 0 and np.allclose(track[0], sequence.boxes[0], rtol=0, atol=1e-3)  # files have four decimals


class _WatchedFrames(FrameSequence):
    """A sequence that records the time its consumer spends on each frame, excluding the time to read it."""

    def __init__(self, sequence: FrameSequence) -> None:
        self.__dict__.update(sequence.__dict__)
        self.seconds: list[float] = []

    def __iter__(self) -> Iterator[np.ndarray]:
        for image in super().__iter__():
            start = time.perf_counter()
            yield image
            self.seconds.append(time.perf_counter() - start)
