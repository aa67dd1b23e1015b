"""Lets one training at a time write to a work dir."""
from __future__ import annotations

import logging
import os
import platform
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from mmengine.dist import broadcast_object_list, is_main_process
from mmengine.logging import print_log


@contextmanager
def only_training_in(folder: str | os.PathLike) -> Iterator[None]:
    """Locks a work dir within the ``with`` block; to be entered by all ranks, of which the first holds the lock.

    The system releases the lock when the process ends, even if it is killed. Data workers do not hold it.

    Args:
        folder: The work dir.

    Raises:
        ValueError: On all ranks, if another process holds the lock. The message names it.
    """
    path, error = Path(folder, 'training.lock'), [None]
    with ExitStack() as held:
        if os.name == 'posix' and is_main_process():  # other systems have no locks of this kind
            try:
                _lock(held, path)
            except (BlockingIOError, PermissionError):
                owner = path.read_text(encoding='utf-8').strip()
                error = [f'another training is running in {folder} ({owner}): wait for its end, stop it, or name '
                         f'another --work-dir']
            except OSError as reason:  # some network file systems have no locks
                print_log(f'{path} cannot be locked ({reason}): nothing keeps a second training out of this work dir',
                          'current', logging.WARNING)
        broadcast_object_list(error)
        if error[0] is not None:
            raise ValueError(error[0])
        yield


def _lock(held: ExitStack, path: Path) -> None:
    import fcntl
    stream = held.enter_context(open(path, 'a', encoding='utf-8'))
    fcntl.lockf(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)  # unlike flock, not shared with forked workers
    if not path.exists() or not os.path.samestat(path.stat(), os.fstat(stream.fileno())):
        return _lock(held, path)  # whoever held it has just removed it
    stream.truncate(0)
    print(f'process {os.getpid()} on {platform.node()}', file=stream, flush=True)
    held.callback(path.unlink, missing_ok=True)
