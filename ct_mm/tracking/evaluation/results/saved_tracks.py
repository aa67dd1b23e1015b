"""Reads the tracks of several trackers on the same sequences from their result folders."""
from __future__ import annotations

import difflib
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from ct_mm.tracking.datasets.benchmarks.sequence_dataset import SequenceDataset
from ct_mm.tracking.evaluation.results.result_folder import ResultFolder


class SavedTracks:
    """Tracks of several trackers on the sequences of a data set, read and checked together.

    Args:
        dataset: The data set with the sequences.
        folders: Result folder by name of the tracker. If its files are named differently from the sequences, the last
            part of the path is a pattern with ``{}``: ``raw/uav_{}.txt``.
        names: Sequences to use, in this order. Default: all.
        common_only: Whether to skip sequences for which a tracker has no track, instead of raising an error. Scores
            over the remaining sequences are not comparable with the benchmark's. Default: False.

    Attributes:
        trackers: Names of the trackers in order.
        sequences: The sequences, as ``FrameSequence``.
        boxes: Boxes (T, 4), xywh in pixels, of each sequence, by tracker.
        left_out: Trackers without a track, by skipped sequence.

    Raises:
        FileNotFoundError: A folder does not exist.
        ValueError: A sequence is unknown, a tracker lacks tracks, no sequence remains, or a file is damaged or has the
            wrong length; the message names the tracker, the sequences and the file.
    """

    def __init__(self, dataset: SequenceDataset, folders: Mapping[str, str | os.PathLike],
                 names: Sequence[str] | None = None, common_only: bool = False) -> None:
        self.trackers = tuple(folders)
        numbers = {name: number for number, name in enumerate(dataset.names)}
        names = choose_names(numbers, names)
        opened = {tracker: _open(folder) for tracker, folder in folders.items()}
        boxes = {tracker: self._read(*opened[tracker], dataset.lengths, numbers, names, tracker) for tracker in opened}
        self.left_out = {name: lacking for name in names
                         if (lacking := [tracker for tracker in self.trackers if boxes[tracker][name] is None])}
        if self.left_out and not common_only:
            faults = [f'{tracker}: {describe_missing(folder, missing, names, pattern)}'
                      for tracker, (folder, pattern) in opened.items()
                      if (missing := [name for name in names if boxes[tracker][name] is None])]
            faults.append('To compare only on the sequences that all trackers have, which is not the benchmark, use '
                          '--common-only')
            raise ValueError('\n'.join(faults))
        names = [name for name in names if name not in self.left_out]
        if not names:
            raise ValueError(f'there is no sequence for which all of {", ".join(self.trackers)} have a track')
        self.sequences = [dataset.get_sequence(numbers[name]) for name in names]
        self.boxes = {tracker: [boxes[tracker][name] for name in names] for tracker in self.trackers}

    def __len__(self) -> int:
        return len(self.sequences)

    @staticmethod
    def _read(folder: ResultFolder, pattern: str, lengths: np.ndarray, numbers: Mapping[str, int],
              names: Sequence[str], tracker: str) -> dict[str, np.ndarray | None]:
        try:
            return {name: folder.read(pattern.replace('{}', name), int(lengths[numbers[name]])) for name in names}
        except ValueError as error:
            raise ValueError(f'{tracker}: {error}') from error


def choose_names(known: Sequence[str] | Mapping[str, object], names: Sequence[str] | None) -> list[str]:
    """Checks a selection of sequences.

    Args:
        known: All names.
        names: Selected names, None for all.

    Returns:
        The selected names in the given order, without duplicates.

    Raises:
        ValueError: A name is unknown; the message suggests similar ones.
    """
    if names is None:
        return list(known)
    for name in names:
        if name not in known:
            near = ', '.join(difflib.get_close_matches(name, known, cutoff=0.5) or list(known)[:10])
            raise ValueError(f'there is no sequence {name!r}; similar names: {near}')
    return list(dict.fromkeys(names))


def describe_missing(folder: ResultFolder, missing: Sequence[str], names: Sequence[str], pattern: str = '{}') -> str:
    """Describes the tracks that a result folder lacks, and suggests how its files may be named.

    Args:
        folder: The result folder.
        missing: Names of the sequences without a track.
        names: Names of all sequences.
        pattern: Pattern of the folder's file names.
    """
    wanted = {pattern.replace('{}', name) for name in names}
    others = [name for name in folder.names() if name not in wanted]
    listing = ', '.join(missing[:10]) + (' ...' if len(missing) > 10 else '')
    text = f'{folder.path} has no track for {len(missing)} of {len(names)} sequences: {listing}'
    if not others:
        return text
    text += f'. It has {len(others)} other tracks, such as {", ".join(_nearest(missing[0], others))}'
    around = next((other.replace(missing[0], '{}') for other in others if missing[0] in other), None)
    if around and pattern == '{}':
        text += f'. If these are the same sequences, give the folder as {folder.path / around}'
    return text


def _nearest(name: str, others: Sequence[str]) -> list[str]:
    containing = [other for other in others if name in other]
    folded = [other for other in others if other.casefold() == name.casefold()]
    return (folded or containing or difflib.get_close_matches(name, others) or list(others))[:3]


def _open(folder: str | os.PathLike) -> tuple[ResultFolder, str]:
    """Returns a result folder and the pattern of its file names."""
    path = Path(folder)
    if '{}' not in path.name:
        return ResultFolder.open(path), '{}'
    return ResultFolder.open(path.parent), path.name.removesuffix('.txt')
