"""The annotations of a benchmark in one file, so that a set of millions of frames opens at once."""
from __future__ import annotations

import hashlib
import json
import os
import stat
import time
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import NamedTuple

import numpy as np
from filelock import FileLock
from mmengine.logging import print_log

from ct_mm.engine.whole_file import whole_file, write_text
from ct_mm.tracking.datasets.reading import FrameFiles, FrameSequence

_VERSION = 2  # of what the index file holds; another number is read anew
_REPORT_AFTER = 5.0  # seconds of indexing without a word


class _Entry(NamedTuple):
    """One sequence without its boxes and flags: those are ``length`` rows of the arrays, from row ``start`` on."""
    name: str
    frames: str | list  # path of a video, or FrameFiles.to_json()
    start: int
    length: int
    attributes: list[str] | None
    first_box_only: bool
    is_still: bool


class SequenceIndex:
    """Sequences whose boxes lie in one array that all processes map instead of copying.

    A *unit* is what lies in one place of the data set: mostly one sequence, or a video with one sequence for each of
    its objects. The index keeps a signature of each unit: paths, modification times and sizes of the files and folders
    that it consists of. Units whose signature changed, and new ones, are read again; the others are taken from the
    file. A folder's time tells that a frame was added or removed, not that one was overwritten; pixels are never in the
    index. What was read before an error or an interruption is kept, too.

    Args:
        units: Names of the units in order.
        watch: Files and folders that a unit is read from; called with its name.
        read: Reads a unit's sequences; called with its name.
        folder: Where the index is kept. Default: nowhere, all units are read.
        title: Name of the data set, for the log.
        on_error: Called with a unit's name and the ``OSError`` or ``ValueError`` that ``read`` raised; the unit is left
            out if it returns. Default: the error is raised.
        reader: What the result depends on besides the files, such as a digest of the code of ``read``; an index made
            by another reader is made anew. Default: ''.

    Raises:
        OSError: The index cannot be written, or a unit cannot be read.
        ValueError: A unit is not as it must be.
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
                raise OSError(f'{title}: the folder {folder} of the index cannot be made ({error}); set index_dir to '
                              'another folder, or to None to keep no index') from error
        # The processes of one training start together: the first one reads, the others find its index.
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
        return FrameSequence(
            entry.name,
            entry.frames if isinstance(entry.frames, str) else FrameFiles.from_json(entry.frames),
            self._boxes[rows],
            self._visible[rows],
            attributes=entry.attributes,
            first_box_only=entry.first_box_only,
            is_still=entry.is_still)

    def __getstate__(self) -> dict:
        """Mapped arrays travel to another process as the names of their files."""
        state = dict(self.__dict__)
        for key in ('_boxes', '_visible'):
            if isinstance(state[key], np.memmap):
                state[key] = Path(state[key].filename)
        return state

    def __setstate__(self, state: dict) -> None:
        self.__dict__.update(state)
        for key in ('_boxes', '_visible'):
            if isinstance(state[key], Path):
                setattr(self, key, np.load(state[key], mmap_mode='r'))

    def _load(self, units: list[str], watch: Callable, read: Callable, on_error: Callable | None) -> dict:
        """Sets ``_boxes`` (sum of T, 4) and ``_visible`` (sum of T,) and gives the entries of each unit."""
        stored = self._stored()
        signatures = {unit: _signature(watch(unit)) for unit in units}
        stale = [unit for unit in units if unit not in stored or stored[unit][0] != signatures[unit]]
        fresh: dict[str, list[FrameSequence]] = {}
        try:
            self._read_all(stale, read, on_error, fresh)
        finally:
            changed = set(stale)
            # Units that were not asked for this time (another choice of sequences) stay in the file.
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
        """Joins kept and fresh units into new arrays without the rows that nothing refers to any more."""
        boxes, visible, merged, start = [np.empty((0, 4))], [np.empty(0, bool)], {}, 0
        for unit, (signature, entries) in kept.items():
            merged[unit] = signature, []
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
                if not sequence.is_video:  # the paths of a list need no folder, for they are joined to it
                    frames = (frames if isinstance(frames, FrameFiles) else FrameFiles('', frames)).to_json()
                attributes = None if sequence.attributes is None else list(sequence.attributes)
                merged[unit][1].append(
                    _Entry(sequence.name, frames, start, len(sequence), attributes, sequence.first_box_only,
                           sequence.is_still))
                start += len(sequence)
        self._boxes, self._visible = np.concatenate(boxes), np.concatenate(visible)
        return merged

    def _stored(self) -> dict[str, tuple[str, list[_Entry]]]:
        """Signature and entries of each unit of the index file; sets the arrays. Empty if there is nothing to use."""
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
            # Damaged, which is no harm: an index can always be made again.
            print_log(f'{self._title}: the index in {self._folder} cannot be read ({error!r}) and is made anew',
                      logger='current')
            return {}
        self._boxes, self._visible = boxes, visible
        return units

    def _store(self, units: dict[str, tuple[str, list[_Entry]]]) -> None:
        """Writes arrays first and the file that names them last, each whole or not at all; then maps the arrays."""
        text = json.dumps(units)
        digest = hashlib.sha256(text.encode())
        arrays = {'boxes': self._boxes, 'visible': self._visible}
        for array in arrays.values():
            digest.update(array)
        digest = digest.hexdigest()[:16]
        files = {name: self._folder / f'{name}-{digest}.npy' for name in arrays}
        for name, path in files.items():
            with whole_file(path) as unfinished, open(unfinished, 'wb') as stream:
                np.save(stream, arrays[name])
        head = json.dumps(dict(title=self._title, version=_VERSION, reader=self._reader, digest=digest))
        write_text(self._folder / 'index.json', f'{head[:-1]}, "units": {text}}}')
        self._boxes, self._visible = (np.load(path, mmap_mode='r') for path in files.values())
        for old in set(self._folder.glob('*-*.npy')) - set(files.values()):
            old.unlink()  # a process that has it mapped keeps it


def _signature(paths: Sequence[str | os.PathLike]) -> str:
    """A digest of paths, modification times and sizes; of a missing file, which ``read`` deals with, of its path."""
    parts = []
    for path in paths:
        try:
            status = os.stat(path)
        except (FileNotFoundError, NotADirectoryError):
            parts.append(f'{path}|')
        else:
            size = '' if stat.S_ISDIR(status.st_mode) else status.st_size  # of a folder, the file system's affair
            parts.append(f'{path}|{status.st_mtime_ns}|{size}')
    return hashlib.blake2b('\n'.join(parts).encode(errors='surrogateescape'), digest_size=8).hexdigest()
