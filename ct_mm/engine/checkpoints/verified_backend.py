"""Where MMEngine's checkpoint hook puts its files so that each is whole, on the disk and readable."""
from __future__ import annotations

import errno
import os
from pathlib import Path

from mmengine.fileio import LocalBackend, register_backend

from ..whole_file import full_disk_explained, sync, whole_file
from .reading import read_checkpoint

_CHUNK = 1 << 24  # bytes


class VerifiedBackend(LocalBackend):
    """A local folder in which a checkpoint appears only once it was read back from the disk.

    Until then an earlier file of that name is there, as it was.
    """

    def put(self, obj: bytes | memoryview, filepath: str | os.PathLike) -> None:
        """Writes a checkpoint.

        Args:
            obj: What ``torch.save`` made.
            filepath: Where.

        Raises:
            OSError: If the disk is full (or a quota is), or gives back other bytes than were written.
            ValueError: If the checkpoint holds more than tensors and plain values, so that no training could go on
                from it.
        """
        with full_disk_explained(filepath, len(obj)), whole_file(filepath, durable=True) as unfinished:
            unfinished.write_bytes(obj)
            sync(unfinished)
            self._compare(unfinished, memoryview(obj), filepath)
            try:
                read_checkpoint(unfinished)
            except ValueError as error:
                raise ValueError(f'{filepath} is not kept, as no training could go on from it: {error}. A hook of '
                                 f'this training put that in; earlier checkpoints are as they were') from error

    @staticmethod
    def _compare(path: Path, content: memoryview, name: str | os.PathLike) -> None:
        with open(path, 'rb') as stream:
            if hasattr(os, 'posix_fadvise'):  # read what is on the disk, not what is still in memory
                os.posix_fadvise(stream.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
            for start in range(0, len(content) + 1, _CHUNK):
                if stream.read(_CHUNK) != content[start:start + _CHUNK]:
                    raise OSError(errno.EIO, f'the disk gives back other bytes than were written to {name}. The file '
                                  f'is not kept; earlier checkpoints are as they were')


register_backend('ct_mm_verified', VerifiedBackend, force=True)


def verified(folder: str | os.PathLike, backend_args: dict | None) -> dict | None:
    """The arguments of the backend to save with: this one, unless another is named or the folder is not local."""
    return backend_args if backend_args is not None or '://' in str(folder) else dict(backend='ct_mm_verified')
