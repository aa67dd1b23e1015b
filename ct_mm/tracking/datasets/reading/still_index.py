"""The objects of a set of photographs, stored as one array that all processes map."""
from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from filelock import FileLock
from mmengine.logging import print_log

from ct_mm.tracking.datasets.reading import FrameSequence
from ct_mm.tracking.datasets.reading.mapped_arrays import MappedArrays, save_array, signature


class StillIndex(MappedArrays):
    """Photographs with one box each, stored as rows of an array instead of a million Python objects.

    It has the methods of :class:`SequenceIndex`. The array is read once and stored in a file whose name depends on its
    sources; if they change, it is read again.

    Args:
        read: Reads a structured array with the fields ``file`` (name of the image as bytes), ``id`` (number of the
            object) and ``box`` (4,) xywh in pixels.
        watched: Files and folders that the array is read from. The array is read again if the size or modification time
            of a file, or the modification time of a folder, changes.
        images: Folder of the images.
        min_side: Only objects with both sides longer than this, in pixels, are part of the index. Defaults to 0.
        folder: Folder of the array file. Default: None, nothing is stored.
        reader: Anything else that the array depends on, such as a digest of the code of ``read``. Default: ''.
        title: Name of the dataset, for the log.

    Raises:
        OSError: A file cannot be read, or the array cannot be written.
        ValueError: ``read`` found an invalid annotation.
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
        # The array holds all objects, so that another min_side does not require reading them again.
        self._rows = np.flatnonzero((self._objects['box'][:, 2:] > min_side).all(axis=1)).astype(np.int32)  # (S,)

    def __len__(self) -> int:
        return len(self._rows)

    @property
    def lengths(self) -> np.ndarray:
        """Number of frames of each photograph, (S,), always 1."""
        return np.ones(len(self), dtype=np.int64)

    @property
    def names(self) -> list[str]:
        """Names of all objects in order."""
        return [self._name(row) for row in self._rows]

    def __getitem__(self, index: int) -> FrameSequence:
        row = self._rows[index]
        path = self._images / os.fsdecode(self._objects['file'][row])
        return FrameSequence(self._name(row), [path], self._objects['box'][row][None], is_still=True)

    def _name(self, row: int) -> str:
        stem = os.path.splitext(os.fsdecode(self._objects['file'][row]))[0]
        return f'{stem}-{self._objects["id"][row]}'

    def _load(self, read: Callable[[], np.ndarray], watched: Sequence[Path], folder: Path, reader: str) -> np.ndarray:
        file = folder / f'objects-{signature(watched, reader)}.npy'
        if file.is_file():
            try:
                return np.load(file, mmap_mode='r')
            except (OSError, EOFError, ValueError) as error:  # a damaged index does no harm, because it can be rebuilt
                print_log(f'{self._title}: cannot read the index {file} ({error!r}); rebuilding it', 'current')
        save_array(file, read())
        for old in set(folder.glob('objects-*.npy')) - {file}:
            old.unlink()  # processes that have mapped it can still read it
        return np.load(file, mmap_mode='r')
