"""Tracks of several trackers on the same sequences, read back from their result folders."""
from __future__ import annotations

import difflib
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from ct_mm.tracking.datasets.benchmarks.sequence_dataset import SequenceDataset
from ct_mm.tracking.evaluation.results.result_folder import ResultFolder


class SavedTracks:
    """What several trackers predicted on the sequences of a data set; read and checked as a whole.

    Args:
        dataset: The sequences.
        folders: Result folder by name of the tracker. A last part with ``{}`` says how its files name a sequence where
            that differs from the data set: ``raw/uav_{}.txt``.
        names: Sequences to take, in this order. Default: all.
        common_only: Whether to leave out the sequences that a tracker has no track of, instead of refusing it. A score
            over them is none of the benchmark; ``left_out`` says which they are. Defaults to False.

    Attributes:
        trackers: Names in order.
        sequences: The sequences, as ``FrameSequence``.
        boxes: By tracker, a list with (T, 4) xywh in pixels for each sequence.
        left_out: Names of trackers by sequence that was left out.

    Raises:
        FileNotFoundError: A folder does not exist.
        ValueError: A sequence is unknown, a tracker lacks some, none is left, or a file is damaged or of the wrong
            length; the message names tracker, sequences and file.
    """

    def __init__(self, dataset: SequenceDataset, folders: Mapping[str, str | os.PathLike],
                 names: Sequence[str] | None = None, common_only: bool = False) -> None:
        self.trackers = tuple(folders)
        numbers = {name: number for number, name in enumerate(dataset.names)}
        names = choose_names(numbers, names)
        opened = {tracker: _open(folder) for tracker, folder in folders.items()}
        boxes = {tracker: self._read(*opened[tracker], dataset.lengths, numbers, names, tracker) for tracker in opened}
        self.left_out = {}
        for name in names:
            lacking = [tracker for tracker in self.trackers if boxes[tracker][name] is None]
            if lacking:
                self.left_out[name] = lacking
        if self.left_out and not common_only:
            raise ValueError('\n'.join(
                f'{tracker}: ' + describe_missing(folder, [name for name, lacking in self.left_out.items()
                                                           if tracker in lacking], names, pattern)
                for tracker, (folder, pattern) in opened.items()
                if any(tracker in lacking for lacking in self.left_out.values()))
                + '\nTo compare on the sequences that all trackers have, which is not the benchmark, ask for it '
                '(--common-only)')
        names = [name for name in names if name not in self.left_out]
        if not names:
            raise ValueError(f'there is no sequence that all of {", ".join(self.trackers)} have a track of')
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
    """Checks a choice of sequences.

    Args:
        known: All names.
        names: The choice, None for all.

    Returns:
        The names chosen, in the order given, each once.

    Raises:
        ValueError: A name is unknown; the message gives the nearest ones.
    """
    if names is None:
        return list(known)
    for name in names:
        if name not in known:
            near = ', '.join(difflib.get_close_matches(name, known, cutoff=0.5) or list(known)[:10])
            raise ValueError(f'there is no sequence {name!r}; near it, there is: {near}')
    return list(dict.fromkeys(names))


def describe_missing(folder: ResultFolder, missing: Sequence[str], names: Sequence[str], pattern: str = '{}') -> str:
    """Says what a result folder lacks, and how it may call it.

    Args:
        folder: The folder.
        missing: Names of the sequences without a track.
        names: Names of all sequences.
        pattern: How its files name a sequence.
    """
    wanted = {pattern.replace('{}', name) for name in names}
    others = [name for name in folder.names() if name not in wanted]
    listing = ', '.join(missing[:10]) + (' ...' if len(missing) > 10 else '')
    text = f'{folder.path} has no track of {len(missing)} of {len(names)} sequences: {listing}'
    if not others:
        return text
    text += f'. It has tracks of {len(others)} others: {", ".join(_nearest(missing[0], others))}'
    around = next((other.replace(missing[0], '{}') for other in others if missing[0] in other), None)
    if around and pattern == '{}':
        text += f'. If these are the same, name the folder as {folder.path / around}'
    return text


def _nearest(name: str, others: Sequence[str]) -> list[str]:
    containing = [other for other in others if name in other]
    folded = [other for other in others if other.casefold() == name.casefold()]
    return (folded or containing or difflib.get_close_matches(name, others) or list(others))[:3]


def _open(folder: str | os.PathLike) -> tuple[ResultFolder, str]:
    """A result folder, and how its files name a sequence."""
    path = Path(folder)
    if '{}' not in path.name:
        return ResultFolder.open(path), '{}'
    return ResultFolder.open(path.parent), path.name.removesuffix('.txt')
