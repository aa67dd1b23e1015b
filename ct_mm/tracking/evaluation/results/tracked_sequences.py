"""The sequences of a benchmark as the tracks of one tracker, each made when it is first asked for."""
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
    """Item i is the track of sequence i: read from the result folder, or made and written there at once.

    So one loop serves a fresh evaluation and a resumed one, in one process, in the worker processes of a data loader
    and in several ranks, and what is scored is always what the files say. A process that is killed loses the sequence
    it was at.

    Args:
        tracker: A :class:`~ct_mm.tracking.models.BaseTracker`, or a model with its ``track_sequence``.
        dataset: The sequences.
        results: Where their tracks are and go.

    Raises:
        ValueError: The tracker or the data set is none, or two sequences have one name.
    """

    def __init__(self, tracker: Any, dataset: SequenceDataset, results: ResultFolder) -> None:
        if not callable(getattr(tracker, 'track_sequence', None)):
            raise ValueError(f'a {type(tracker).__name__} has no track_sequence, so it is no tracker; those are '
                             'subclasses of ct_mm.tracking.models.BaseTracker')
        if not isinstance(dataset, SequenceDataset):
            raise ValueError(f'test_dataloader.dataset: a {type(dataset).__name__} is no set of sequences; those are '
                             'subclasses of ct_mm.tracking.datasets.benchmarks.SequenceDataset')
        names = dataset.names
        if len(set(names)) < len(names):
            twice = next(name for name in names if names.count(name) > 1)
            raise ValueError(f'{dataset.title}: two sequences are named {twice!r}, and their tracks would share a file')
        self.tracker, self.dataset, self.results = tracker, dataset, results

    def __len__(self) -> int:
        return len(self.dataset)

    def missing(self) -> list[int]:
        """Indices of the sequences that are not tracked yet.

        Returns:
            In the order of the data set.

        Raises:
            ValueError: Some of the files that are there are damaged or of other sequences, or a tracker cannot start on
                a sequence; the message names them all.
        """
        missing, faults, starts = [], [], []
        for index in range(len(self)):
            try:
                if self.read(self.dataset.get_sequence(index)) is None:
                    missing.append(index)
            except ValueError as error:
                faults.append(str(error))
        for index in missing:
            try:
                self.dataset.check_start(index)
            except (OSError, ValueError) as error:
                starts.append(str(error))
        if starts:
            raise ValueError(f'{self.dataset.title}: no sequence is tracked, because {len(starts)} of {len(missing)} '
                             'cannot be:\n    ' + '\n    '.join(starts) + '\nCorrect their annotations, or leave them '
                             'out with test_dataloader.dataset.sequences')
        if faults:
            raise ValueError(
                f'{len(faults)} of the tracks in {self.results.path} cannot be used:\n    ' + '\n    '.join(faults) +
                '\nFiles are written whole, so something else changed them. Delete those files to have their sequences '
                'tracked again, or start afresh (--fresh)')
        return missing

    def read(self, sequence: FrameSequence) -> np.ndarray | None:
        """The track of a sequence from its file.

        Returns:
            (T, 4) float64, xywh in pixels; None if there is no file.

        Raises:
            ValueError: The file is damaged, or its first box is not the given one of the sequence.
        """
        boxes = self.results.read(sequence.name, len(sequence))
        if boxes is not None and not _starts(boxes, sequence):
            raise ValueError(f'{self.results.file_of(sequence.name)}:1: the track starts at {boxes[0].tolist()}, the '
                             f'sequence at {sequence.boxes[0].tolist()}: it is of another sequence or annotation')
        return boxes

    def __getitem__(self, index: int) -> dict:
        """Returns one track.

        Args:
            index: Number of the sequence.

        Returns:
            ``name``; ``boxes`` (T, 4) float64, xywh in pixels; ``seconds``, what it took to track, 0 if it was there.

        Raises:
            ValueError: The tracker's boxes are none (see :meth:`ResultFolder.write`), not one for each frame, or do not
                begin with the given one.
        """
        sequence, start = self.dataset.get_sequence(index), time.perf_counter()
        boxes, seconds = self.read(sequence), 0.0
        if boxes is None:
            frames = _WatchedFrames(sequence)
            with torch.inference_mode():
                track, _ = self.tracker.track_sequence(frames)
            if len(track) != len(sequence) or not _starts(track, sequence):
                raise ValueError(f'sequence {sequence.name!r}: a track must have {len(sequence)} boxes, the given one '
                                 f'{sequence.boxes[0].tolist()} first, but track_sequence of '
                                 f'{type(self.tracker).__name__} gave {len(track)}, first {list(map(list, track[:1]))}')
            self.results.write(sequence.name, track, frames.seconds)
            boxes, seconds = self.read(sequence), time.perf_counter() - start
        return dict(name=sequence.name, boxes=boxes, seconds=seconds)


def balanced_shares(lengths: Sequence[int], parts: int) -> list[list[int]]:
    """Divides sequences so that every part has about the same number of frames.

    The longest sequence that is left goes to the part that has the fewest frames, which is never worse than 4/3 of the
    best division (Graham, "Bounds on Multiprocessing Timing Anomalies", 1969).

    Args:
        lengths: (S,), number of frames of each sequence.
        parts: Number of parts.

    Returns:
        Indices of sequences for each part, the longest first; some may be empty. Equal input gives equal parts.
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
    """A sequence that notes how long each of its frames was worked on; reading the frame does not count."""

    def __init__(self, sequence: FrameSequence) -> None:
        self.__dict__.update(sequence.__dict__)
        self.seconds: list[float] = []

    def __iter__(self) -> Iterator[np.ndarray]:
        for image in super().__iter__():
            start = time.perf_counter()
            yield image
            self.seconds.append(time.perf_counter() - start)
