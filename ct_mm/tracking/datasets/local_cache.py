"""LocalCache: what a dataset keeps in memory and does not send along."""
from __future__ import annotations

from collections.abc import Callable
from typing import Any


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
