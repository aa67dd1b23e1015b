"""The objects of a set of photographs, as one array that all processes map."""
from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from filelock import FileLock
from mmengine.logging import print_log

from ct_mm.engine.whole_file import whole_file
from ct_mm.tracking.datasets.reading import FrameSequence


class StillIndex:
    """Photographs with one box each, kept as rows of an array: a Python object each would be a million.

    It has the methods of :class:`SequenceIndex`. The array is read once and kept in a file whose name tells what it was
    read from; if that changed, it is read again.

    Args:
        read: Reads the array: ``file`` (name of the image as bytes), ``id`` (number of the object) and ``box`` (4,)
            xywh in pixels of each object.
        watched: Files and folders that the array is read from; a file's size and time, and a folder's time, count.
        images: Folder of the images.
        min_side: Objects of which one side is not longer than this are not part of the index, in pixels. Defaults to 0.
        folder: Where the array is kept. Default: nowhere.
        reader: What the array depends on besides the files, such as a digest of the code of ``read``. Default: ''.
        title: Name of the data set, for the log.

    Raises:
        OSError: A file cannot be read, or the array cannot be written.
        ValueError: ``read`` found a fault.
    """

    def __init__(self, read: Callable[[], np.ndarray], watched: Sequence[Path], images: Path, min_side: float = 0,
                 folder: Path | None = None, reader: str = '', title: str = 'data set') -> None:
        self._images, self._title = images, title
        if folder is None:
            self._objects = read()
        else:
            folder.mkdir(parents=True, exist_ok=True)
            with FileLock(folder / 'lock'):
                self._objects = self._load(read, watched, folder, reader)
        # The array holds all objects, so that another min_side needs no reading.
        self._rows = np.flatnonzero((self._objects['box'][:, 2:] > min_side).all(axis=1)).astype(np.int32)  # (S,)

    def __len__(self) -> int:
        return len(self._rows)

    @property
    def lengths(self) -> np.ndarray:
        """Number of frames of each photograph, (S,): one."""
        return np.ones(len(self), dtype=np.int64)

    @property
    def names(self) -> list[str]:
        """Names of all objects in order."""
        return [self._name(row) for row in self._rows]

    def __getitem__(self, index: int) -> FrameSequence:
        row = self._rows[index]
        path = self._images / os.fsdecode(self._objects['file'][row])
        return FrameSequence(self._name(row), [path], self._objects['box'][row][None], is_still=True)

    def __getstate__(self) -> dict:
        """A mapped array travels to another process as the name of its file."""
        objects = self._objects
        return dict(self.__dict__, _objects=Path(objects.filename) if isinstance(objects, np.memmap) else objects)

    def __setstate__(self, state: dict) -> None:
        self.__dict__.update(state)
        if isinstance(self._objects, Path):
            self._objects = np.load(self._objects, mmap_mode='r')

    def _name(self, row: int) -> str:
        stem = os.path.splitext(os.fsdecode(self._objects['file'][row]))[0]
        return f'{stem}-{self._objects["id"][row]}'

    def _load(self, read: Callable[[], np.ndarray], watched: Sequence[Path], folder: Path, reader: str) -> np.ndarray:
        file = folder / f'objects-{self._digest(watched, reader)}.npy'
        if file.is_file():
            try:
                return np.load(file, mmap_mode='r')
            except (OSError, EOFError, ValueError) as error:  # damaged: an index can always be made again
                print_log(f'{self._title}: the index {file} cannot be read ({error!r}) and is made anew',
                          logger='current')
        objects = read()
        with whole_file(file) as unfinished, open(unfinished, 'wb') as stream:
            np.save(stream, objects)
        for old in set(folder.glob('objects-*.npy')) - {file}:
            old.unlink()  # a process that has it mapped keeps it
        return np.load(file, mmap_mode='r')

    @staticmethod
    def _digest(watched: Sequence[Path], reader: str) -> str:
        parts = [reader]
        for path in watched:
            status = path.stat()
            parts.append(f'{path}|{status.st_mtime_ns}|{0 if path.is_dir() else status.st_size}')
        return hashlib.sha256('\n'.join(parts).encode(errors='surrogateescape')).hexdigest()[:16]
