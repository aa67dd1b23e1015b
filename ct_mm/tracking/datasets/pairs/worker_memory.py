"""What a data worker keeps to itself, and what it notes down for when it dies."""
import os
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch.utils.data import get_worker_info

_ROWS = 256  # workers; of more, the later ones share rows
_BYTES = 1024  # of a note that are kept


class AtWork:
    """Notes of the workers of a data loader, in shared memory, where they outlive whoever wrote them."""

    def __init__(self) -> None:
        self._table = torch.zeros(_ROWS, _BYTES, dtype=torch.uint8).share_memory_()

    def note(self, text: str) -> None:
        """Says what this worker does from now on. Without workers, where errors need no note, nothing is done."""
        worker = get_worker_info()
        if worker is not None:
            row = self._table[worker.id % _ROWS].numpy()
            content = f'{os.getpid()} {text}'.encode()[:_BYTES]
            row[:len(content)] = np.frombuffer(content, np.uint8)
            row[len(content):] = 0

    def of(self, pid: int) -> str | None:
        """The last note of a process, or None."""
        for row in self._table.numpy():
            owner, _, text = row.tobytes().rstrip(b'\0').decode(errors='replace').partition(' ')
            if owner == str(pid):
                return text
        return None


class LocalCache(dict):
    """Values made on first use. A copy of it is empty, in another process too: each worker makes its own.

    Copies are what data workers get, and images or open files would be copied with them.
    """

    def get_or_make(self, key: Any, make: Callable[[Any], Any]) -> Any:
        """The value of ``key``, which is ``make(key)`` when it is first asked for."""
        if key not in self:
            self[key] = make(key)
        return self[key]

    def __reduce__(self) -> tuple:
        return type(self), ()
