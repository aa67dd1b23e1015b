"""Arrays in files that all processes map instead of copying."""
from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from ct_mm.engine.whole_file import whole_file


class _MappedFile(str):
    """Name of the file of a mapped array, which stands for the array in a pickle."""


class MappedArrays:
    """Base of a class whose attributes may be mapped arrays: a pickle holds the names of their files instead."""

    def __getstate__(self) -> dict:
        return {key: _MappedFile(value.filename) if isinstance(value, np.memmap) else value
                for key, value in self.__dict__.items()}

    def __setstate__(self, state: dict) -> None:
        for key, value in state.items():
            setattr(self, key, np.load(str(value), mmap_mode='r') if isinstance(value, _MappedFile) else value)


def save_array(path: Path, array: np.ndarray) -> None:
    """Writes an array to a ``.npy`` file; the file appears complete or not at all."""
    with whole_file(path) as unfinished, open(unfinished, 'wb') as stream:
        np.save(stream, array)


def signature(paths: Iterable[str | os.PathLike], *facts: str) -> str:
    """Returns a digest of facts and of the paths, modification times and sizes of files.

    The size of a folder does not count, since it depends on the file system. Only the path of a missing file counts.
    """
    parts = list(facts)
    for path in paths:
        try:
            status = os.stat(path)
        except (FileNotFoundError, NotADirectoryError):
            parts.append(f'{path}|')
        else:
            parts.append(f'{path}|{status.st_mtime_ns}|{"" if stat.S_ISDIR(status.st_mode) else status.st_size}')
    return hashlib.blake2b('\n'.join(parts).encode(errors='surrogateescape'), digest_size=8).hexdigest()
