"""Stores the annotations of a benchmark in one file, so that a dataset of millions of frames opens at once."""
from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import NamedTuple

import numpy as np
from filelock import FileLock
from mmengine.logging import print_log

from ct_mm.engine.whole_file import write_text
from ct_mm.tracking.datasets.reading import FrameFiles, FrameSequence
from ct_mm.tracking.datasets.reading.mapped_arrays import MappedArrays, save_array, signature

_VERSION = 2  # of the index file's format; an index of another version is rebuilt
_REPORT_AFTER = 5.0  # seconds of indexing between two log lines


class _Entry(NamedTuple):
    """One sequence without its boxes and flags, which are ``length`` rows of the arrays, starting at row ``start``."""
    name: str
    frames: str | list  # path of a video, or FrameFiles.to_json()
    start: int
    length: int
    attributes: list[str] | None
    first_box_only: bool
    is_still: bool


class SequenceIndex(MappedArrays):
    """Sequences whose boxes are stored in one array that all processes map instead of copying.

    A *unit* is stored in one place of the dataset: usually one sequence, or a video with one sequence for each of its
    objects. The index stores a signature of each unit: the paths, modification times and sizes of its files and
    folders. Units with a changed signature and new units are read again; all others are taken from the index. The
    modification time of a folder shows that a frame was added or removed, but not that one was overwritten; pixels are
    never stored. Units read before an error or an interruption are stored, too.

    Args:
        units: Names of the units in order.
        watch: Called with a unit's name; returns the files and folders from which it is read.
        read: Called with a unit's name; returns its sequences.
        folder: Folder of the index. Default: None, all units are read and no index is stored.
        title: Name of the dataset, for the log.
        on_error: Called with a unit's name and the ``OSError`` or ``ValueError`` that ``read`` raised; if it returns,
            the unit is skipped. Default: the error is raised.
        reader: Anything else that the result depends on, such as a digest of the code of ``read``; an index made by
            another reader is rebuilt. Default: ''.

    Raises:
        OSError: The index cannot be written, or a unit cannot be read.
        ValueError: A unit is invalid.
    """

    def __init__(self, units: Sequence[str], watch: Callable[[str], Sequence[str | os.PathLike]],
                 read: Callable[[str], Sequence[FrameSequence]], folder: str | os.PathLike | None = None,
                 title: str = 'data set', on_error: Callable[[str, Exception], None] | None = None,
                 reader: str = '') -> None:
        self._folder, self._title, self._reader = None if folder is None else Path(folder), title, reader
        if self._folder is not None:
            try:
                self._folder.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise OSError(f'{title}: cannot create the index folder {folder} ({error}); set index_dir to another '
                              'folder, or to None to store no index') from error
        # The processes of one training start together: the first one reads, and the others find its index.
        with nullcontext() if self._folder is None else FileLock(self._folder / 'lock'):
            entries = self._load(list(units), watch, read, on_error)
        self._entries = [entry for unit in units for entry in entries.get(unit, ())]
        #: Number of frames of each sequence, (S,).
        self.lengths = np.array([entry.length for entry in self._entries], dtype=np.int64)

    def __len__(self) -> int:
        return len(self._entries)

    @property
    def names(self) -> list[str]:
        """Names of all sequences in order."""
        return [entry.name for entry in self._entries]

    def __getitem__(self, index: int) -> FrameSequence:
        entry = self._entries[index]
        rows = slice(entry.start, entry.start + entry.length)
        frames = entry.frames if isinstance(entry.frames, str) else FrameFiles.from_json(entry.frames)
        return FrameSequence(entry.name, frames, self._boxes[rows], self._visible[rows], entry.attributes,
                             entry.first_box_only, entry.is_still)

    def _load(self, units: list[str], watch: Callable, read: Callable, on_error: Callable | None) -> dict:
        """Sets ``_boxes`` (sum of T, 4) and ``_visible`` (sum of T,) and returns the entries of each unit."""
        stored = self._stored()
        signatures = {unit: signature(watch(unit)) for unit in units}
        stale = [unit for unit in units if unit not in stored or stored[unit][0] != signatures[unit]]
        fresh: dict[str, list[FrameSequence]] = {}
        try:
            self._read_all(stale, read, on_error, fresh)
        finally:
            changed = set(stale)
            # Stored units that are not requested now (another choice of sequences) stay in the index.
            kept = {unit: value for unit, value in stored.items() if unit not in changed}
            if fresh:
                kept = self._merge(kept, fresh, signatures)
                if self._folder is not None:
                    self._store(kept)
        return {unit: entries for unit, (_, entries) in kept.items()}

    def _read_all(self, units: list[str], read: Callable, on_error: Callable | None, fresh: dict) -> None:
        """Fills ``fresh`` unit by unit."""
        start = reported = time.monotonic()
        for number, unit in enumerate(units, start=1):
            try:
                fresh[unit] = list(read(unit))
            except (OSError, ValueError) as error:
                if on_error is None:
                    raise
                on_error(unit, error)
            now = time.monotonic()
            if now - reported > _REPORT_AFTER:
                reported = now
                left = (now - start) / number * (len(units) - number)
                print_log(f'{self._title}: indexed {number} of {len(units)}, {left:.0f} s left', logger='current')

    def _merge(self, kept: dict, fresh: dict[str, list[FrameSequence]], signatures: dict[str, str]) -> dict:
        """Joins kept and fresh units into new arrays, dropping rows that are no longer used."""
        boxes, visible, merged, start = [np.empty((0, 4))], [np.empty(0, bool)], {}, 0
        for unit, (unchanged, entries) in kept.items():
            merged[unit] = unchanged, []
            for entry in entries:
                boxes.append(self._boxes[entry.start:entry.start + entry.length])
                visible.append(self._visible[entry.start:entry.start + entry.length])
                merged[unit][1].append(entry._replace(start=start))
                start += entry.length
        for unit, sequences in fresh.items():
            merged[unit] = signatures[unit], []
            for sequence in sequences:
                boxes.append(sequence.boxes)
                visible.append(sequence.visible)
                frames = sequence.frames
                if not sequence.is_video:  # the paths of a list are complete, so the folder is ''
                    frames = (frames if isinstance(frames, FrameFiles) else FrameFiles('', frames)).to_json()
                merged[unit][1].append(_Entry(sequence.name, frames, start, len(sequence), sequence.attributes,
                                              sequence.first_box_only, sequence.is_still))
                start += len(sequence)
        self._boxes, self._visible = np.concatenate(boxes), np.concatenate(visible)
        return merged

    def _stored(self) -> dict[str, tuple[str, list[_Entry]]]:
        """Sets the arrays and returns signature and entries of each unit in the index file, or {} if unusable."""
        self._boxes, self._visible = np.empty((0, 4)), np.empty(0, bool)
        if self._folder is None or not (self._folder / 'index.json').is_file():
            return {}
        try:
            stored = json.loads((self._folder / 'index.json').read_text(encoding='utf-8'))
            if (stored['version'], stored['reader']) != (_VERSION, self._reader):
                return {}
            names = (f'{name}-{stored["digest"]}.npy' for name in ('boxes', 'visible'))
            boxes, visible = (np.load(self._folder / name, mmap_mode='r') for name in names)
            units = {unit: (signature, [_Entry(*entry) for entry in entries])
                     for unit, (signature, entries) in stored['units'].items()}
            rows = sum(entry.length for _, entries in units.values() for entry in entries)
            if (boxes.shape, visible.shape) != ((rows, 4), (rows, )):
                raise ValueError(f'{rows} frames, but boxes {boxes.shape} and flags {visible.shape}')
        except (OSError, EOFError, ValueError, KeyError, TypeError, AttributeError) as error:
            # A damaged index does no harm, because it can be rebuilt.
            print_log(f'{self._title}: cannot read the index in {self._folder} ({error!r}); rebuilding it', 'current')
            return {}
        self._boxes, self._visible = boxes, visible
        return units

    def _store(self, units: dict[str, tuple[str, list[_Entry]]]) -> None:
        """Writes the arrays and then the file that names them, each complete or not at all; then maps the arrays."""
        text = json.dumps(units)
        digest = hashlib.sha256(text.encode())
        arrays = {'boxes': self._boxes, 'visible': self._visible}
        for array in arrays.values():
            digest.update(array)
        digest = digest.hexdigest()[:16]
        files = {name: self._folder / f'{name}-{digest}.npy' for name in arrays}
        for name, path in files.items():
            save_array(path, arrays[name])
        head = json.dumps(dict(title=self._title, version=_VERSION, reader=self._reader, digest=digest))
        write_text(self._folder / 'index.json', f'{head[:-1]}, "units": {text}}}')
        self._boxes, self._visible = (np.load(path, mmap_mode='r') for path in files.values())
        for old in set(self._folder.glob('*-*.npy')) - set(files.values()):
            old.unlink()  # processes that have mapped it can still read it
