"""The annotations of a benchmark in one file, so that a set of millions of frames opens at once."""
from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from pathlib import Path

import numpy as np
from filelock import FileLock
from mmengine.logging import print_log

from ct_mm.tracking.structures import FrameFiles, FrameSequence

_VERSION = 1  # of what the index file holds; another number is read anew
_REPORT_AFTER = 5.0  # seconds of indexing without a word


class SequenceIndex:
    """Sequences whose boxes lie in one array that all processes map instead of copying.

    A *unit* is what lies in one place of the data set: mostly one sequence, or a video with one sequence for each of
    its objects. The index keeps size and modification time of the files and folders that a unit consists of. Units
    whose times changed, and new ones, are read again; the others are taken from the file. A folder's time tells that a
    frame was added or removed, not that one was overwritten; pixels are never in the index.

    Args:
        units: Names of the units in order.
        watch: Files and folders that a unit is read from; called with its name.
        read: Reads a unit's sequences; called with its name.
        folder: Where the index is kept. Default: nowhere, all units are read.
        title: Name of the data set, for the log.
        on_error: Called with a unit's name and the ``OSError`` or ``ValueError`` that ``read`` raised; the unit is left
            out if it returns. Default: the error is raised.

    Raises:
        OSError: The index cannot be written, or a unit cannot be read.
        ValueError: A unit is not as it must be.
    """

    def __init__(self,
                 units: Sequence[str],
                 watch: Callable[[str], Sequence[Path]],
                 read: Callable[[str], Sequence[FrameSequence]],
                 folder: str | os.PathLike | None = None,
                 title: str = 'data set',
                 on_error: Callable[[str, Exception], None] | None = None) -> None:
        self._watch, self._read, self._title, self._on_error = watch, read, title, on_error
        self._folder = None if folder is None else Path(folder)
        if self._folder is not None:
            self._folder.mkdir(parents=True, exist_ok=True)
        # The processes of one training start together: the first one reads, the others find its index.
        with nullcontext() if self._folder is None else FileLock(self._folder / 'lock'):
            self._load(list(units))

    def __len__(self) -> int:
        return len(self._entries)

    @property
    def lengths(self) -> np.ndarray:
        """Number of frames of each sequence, (S,)."""
        return np.array([entry['length'] for entry in self._entries], dtype=np.int64)

    @property
    def names(self) -> list[str]:
        """Names of all sequences in order."""
        return [entry['name'] for entry in self._entries]

    def __getitem__(self, index: int) -> FrameSequence:
        entry = self._entries[index]
        rows = slice(entry['start'], entry['start'] + entry['length'])
        frames = entry['frames']
        return FrameSequence(
            entry['name'],
            frames if isinstance(frames, str) else FrameFiles.from_json(frames),
            self._boxes[rows],
            self._visible[rows],
            attributes=entry['attributes'],
            first_box_only=entry['first_box_only'],
            is_still=entry['is_still'])

    def _load(self, units: list[str]) -> None:
        """Fills ``_entries`` (one dict per sequence), ``_boxes`` (sum of T, 4) and ``_visible`` (sum of T,)."""
        stored, boxes, visible = self._stored()
        signatures = {unit: self._signature(unit) for unit in units}
        stale = [unit for unit in units if stored.get(unit, {}).get('signature') != signatures[unit]]
        fresh = self._read_all(stale)
        # Units that were not asked for this time (another choice of sequences) stay in the file.
        kept = {unit: value for unit, value in stored.items() if unit not in set(stale)}
        if fresh or not stored:
            kept, boxes, visible = self._merge(kept, boxes, visible, fresh, signatures)
            if self._folder is not None:
                self._store(kept, boxes, visible)
        self._boxes, self._visible = boxes, visible
        self._entries = [entry for unit in units if unit in kept for entry in kept[unit]['sequences']]

    def _signature(self, unit: str) -> list[list[int]]:
        signature = []
        for path in self._watch(unit):
            try:
                status = os.stat(path)
            except FileNotFoundError:
                signature.append([0, -1])  # read() says what is missing, or takes the file for optional
            else:
                # A folder's size is the file system's affair.
                signature.append([status.st_mtime_ns, -1 if os.path.isdir(path) else status.st_size])
        return signature

    def _read_all(self, units: list[str]) -> dict[str, list[FrameSequence]]:
        fresh, start = {}, time.monotonic()
        reported = start
        for number, unit in enumerate(units):
            try:
                fresh[unit] = list(self._read(unit))
            except (OSError, ValueError) as error:
                if self._on_error is None:
                    raise
                self._on_error(unit, error)
            now = time.monotonic()
            if now - reported > _REPORT_AFTER:
                reported = now
                left = (now - start) / (number + 1) * (len(units) - number - 1)
                print_log(f'{self._title}: indexed {number + 1} of {len(units)}, {left:.0f} s left', logger='current')
        return fresh

    @staticmethod
    def _merge(kept: dict, boxes: np.ndarray, visible: np.ndarray, fresh: dict[str, list[FrameSequence]],
               signatures: dict) -> tuple[dict, np.ndarray, np.ndarray]:
        """Joins kept and fresh units into new arrays without the rows that nothing refers to any more."""
        all_boxes, all_visible, merged, start = [np.empty((0, 4))], [np.empty(0, bool)], {}, 0
        for unit, value in kept.items():
            entries = []
            for entry in value['sequences']:
                rows = slice(entry['start'], entry['start'] + entry['length'])
                all_boxes.append(boxes[rows])
                all_visible.append(visible[rows])
                entries.append({**entry, 'start': start})
                start += entry['length']
            merged[unit] = dict(signature=value['signature'], sequences=entries)
        for unit, sequences in fresh.items():
            entries = []
            for sequence in sequences:
                all_boxes.append(sequence.boxes)
                all_visible.append(sequence.visible)
                frames = sequence.frames if sequence.is_video else SequenceIndex._as_files(sequence.frames).to_json()
                attributes = None if sequence.attributes is None else list(sequence.attributes)
                entries.append(
                    dict(
                        name=sequence.name, frames=frames, start=start, length=len(sequence), attributes=attributes,
                        first_box_only=sequence.first_box_only, is_still=sequence.is_still))
                start += len(sequence)
            merged[unit] = dict(signature=signatures[unit], sequences=entries)
        return merged, np.concatenate(all_boxes), np.concatenate(all_visible)

    @staticmethod
    def _as_files(frames: FrameFiles | list[str]) -> FrameFiles:
        # os.path.join leaves absolute paths alone, so a list of paths needs no folder.
        return frames if isinstance(frames, FrameFiles) else FrameFiles('', frames)

    def _stored(self) -> tuple[dict, np.ndarray, np.ndarray]:
        """The units of the index file and the arrays beside it; empty if there is none, or of another version."""
        nothing = {}, np.empty((0, 4)), np.empty(0, bool)
        if self._folder is None or not (self._folder / 'index.json').is_file():
            return nothing
        try:
            stored = json.loads((self._folder / 'index.json').read_text(encoding='utf-8'))
            if stored['version'] != _VERSION:
                return nothing
            boxes, visible = (
                np.load(self._folder / f'{name}-{stored["digest"]}.npy', mmap_mode='r') for name in ('boxes', 'visible'))
            units = stored['units']
        except (OSError, ValueError, KeyError) as error:  # damaged: an index can always be made again
            print_log(f'{self._title}: the index in {self._folder} cannot be read ({error}) and is made anew',
                      logger='current')
            return nothing
        return units, boxes, visible

    def _store(self, units: dict, boxes: np.ndarray, visible: np.ndarray) -> None:
        """Writes arrays first and the file that names them last, each whole or not at all."""
        text = json.dumps(units)
        digest = hashlib.sha256(text.encode() + boxes.tobytes() + visible.tobytes()).hexdigest()[:16]
        names = {f'{name}-{digest}.npy': array for name, array in (('boxes', boxes), ('visible', visible))}
        for name, array in names.items():
            with open(self._folder / f'{name}.tmp', 'wb') as file:
                np.save(file, array)
            os.replace(self._folder / f'{name}.tmp', self._folder / name)
        content = json.dumps(dict(version=_VERSION, digest=digest, title=self._title)) [:-1] + f', "units": {text}}}'
        (self._folder / 'index.json.tmp').write_text(content, encoding='utf-8')
        os.replace(self._folder / 'index.json.tmp', self._folder / 'index.json')
        for old in self._folder.glob('*-*.npy'):
            if old.name not in names:
                old.unlink()  # a process that has it mapped keeps it
