"""Memory of data workers: notes that outlive a worker, and caches that are not sent to it."""
import os
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch.utils.data import get_worker_info

_ROWS = 256  # one per worker; if there are more workers, some share a row
_BYTES = 1024  # maximum length of a note


class SharedTexts:
    """A table of short texts in shared memory, which all data workers read and write.

    Args:
        rows: Number of texts.
        size: Maximum length of a text in bytes; longer ones are cut.
    """

    def __init__(self, rows: int, size: int) -> None:
        self._table = torch.zeros(rows, size, dtype=torch.uint8).share_memory_()

    def __len__(self) -> int:
        return len(self._table)

    def __getitem__(self, row: int) -> str:
        return self._table[row].numpy().tobytes().rstrip(b'\0').decode(errors='replace')

    def __setitem__(self, row: int, text: str) -> None:
        content = text.encode()[:self._table.shape[1]].ljust(self._table.shape[1], b'\0')
        self._table[row].numpy()[:] = np.frombuffer(content, np.uint8)


class AtWork:
    """Notes of the workers of a data loader, in shared memory, where they outlive the workers."""

    def __init__(self) -> None:
        self._notes = SharedTexts(_ROWS, _BYTES)

    def note(self, text: str) -> None:
        """Notes the current task of this worker. Does nothing outside workers, where errors need no note."""
        worker = get_worker_info()
        if worker is not None:
            self._notes[worker.id % _ROWS] = f'{os.getpid()} {text}'

    def of(self, pid: int) -> str | None:
        """Returns the last note of a process, or None."""
        return next((note.partition(' ')[2] for note in self._notes if note.partition(' ')[0] == str(pid)), None)


class LocalCache(dict):
    """Values that are made on first use. Copies and pickles of it are empty, so that each data worker makes its own.

    Otherwise cached images or open files would be copied to each worker together with the dataset.
    """

    def get_or_make(self, key: Any, make: Callable[[Any], Any]) -> Any:
        """Returns the value of ``key``, which is ``make(key)`` on the first call."""
        if key not in self:
            self[key] = make(key)
        return self[key]

    def __reduce__(self) -> tuple:
        return type(self), ()
