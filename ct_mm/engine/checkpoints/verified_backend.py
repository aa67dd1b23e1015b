"""A file backend for checkpoints that verifies each file on the disk before it appears."""
from __future__ import annotations

import errno
import os
from pathlib import Path

from mmengine.fileio import LocalBackend, register_backend

from ..whole_file import full_disk_explained, sync, whole_file
from .reading import read_checkpoint

_CHUNK = 1 << 24  # bytes


class VerifiedBackend(LocalBackend):
    """A local backend in which a checkpoint appears only after it was read back from the disk.

    Until then an existing file of that name stays unchanged.
    """

    def put(self, obj: bytes | memoryview, filepath: str | os.PathLike) -> None:
        """Writes a checkpoint.

        Args:
            obj: The bytes that ``torch.save`` produced.
            filepath: The file.

        Raises:
            OSError: If the disk or a quota is full, or if the disk returns different bytes from those written.
            ValueError: If the checkpoint contains anything but tensors and plain values, so that it could not be used
                to resume a training.
        """
        with full_disk_explained(filepath, len(obj)), whole_file(filepath, durable=True) as unfinished:
            unfinished.write_bytes(obj)
            sync(unfinished)
            self._compare(unfinished, memoryview(obj), filepath)
            try:
                read_checkpoint(unfinished)
            except ValueError as error:
                raise ValueError(f'{filepath} is not kept because no training could resume from it: {error}. A '
                                 f'hook of this training added that; earlier checkpoints are unchanged') from error

    @staticmethod
    def _compare(path: Path, content: memoryview, name: str | os.PathLike) -> None:
        with open(path, 'rb') as stream:
            if hasattr(os, 'posix_fadvise'):  # read from the disk, not from the page cache
                os.posix_fadvise(stream.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
            for start in range(0, len(content) + 1, _CHUNK):
                if stream.read(_CHUNK) != content[start:start + _CHUNK]:
                    raise OSError(errno.EIO, f'the disk returned different bytes from those written to {name}. The '
                                  f'file is not kept; earlier checkpoints are unchanged')


register_backend('ct_mm_verified', VerifiedBackend, force=True)


def verified(folder: str | os.PathLike, backend_args: dict | None) -> dict | None:
    """Returns the backend arguments to save with: this backend, unless one is given or the folder is remote."""
    return backend_args if backend_args is not None or '://' in str(folder) else dict(backend='ct_mm_verified')
