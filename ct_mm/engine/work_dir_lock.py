"""Lets one training at a time write to a work dir."""
from __future__ import annotations

import os
import platform
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from mmengine.dist import broadcast_object_list, is_main_process


@contextmanager
def only_training_in(folder: str | os.PathLike) -> Iterator[None]:
    """Locks a work dir within the ``with`` block; to be entered by all ranks.

    The system releases the lock when the process ends, even if it is killed. Data workers do not hold it.

    Args:
        folder: The work dir.

    Raises:
        ValueError: On all ranks, if another process holds the lock. The message names it.
    """
    holder, error = None, [None]
    if is_main_process():
        path = Path(folder, 'training.lock')
        try:
            holder = _lock(path)
        except (BlockingIOError, PermissionError):
            owner = path.read_text(encoding='utf-8').strip()
            error = [f'another training is running in {folder} ({owner}): wait for its end, stop it, or name another '
                     f'--work-dir']
    broadcast_object_list(error)
    if error[0] is not None:
        raise ValueError(error[0])
    try:
        yield
    finally:
        if holder is not None:
            if os.name == 'posix':  # elsewhere an open file cannot be removed
                path.unlink(missing_ok=True)
            holder.close()


def _lock(path: Path) -> TextIO:
    stream = open(path, 'a', encoding='utf-8')
    try:
        if os.name == 'posix':
            import fcntl
            fcntl.lockf(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)  # unlike flock, not shared with forked workers
        else:
            import msvcrt
            stream.seek(1 << 20)  # beyond the text, which others may read
            msvcrt.locking(stream.fileno(), msvcrt.LK_NBLCK, 1)
    except OSError:
        stream.close()
        raise
    if not path.exists() or not os.path.samestat(path.stat(), os.fstat(stream.fileno())):
        stream.close()  # whoever held it has just removed it
        return _lock(path)
    stream.truncate(0)
    print(f'process {os.getpid()} on {platform.node()}', file=stream, flush=True)
    return stream
