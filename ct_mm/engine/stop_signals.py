"""Handles the signals that ask a process to end gracefully, after its current work. Needs no PyTorch."""
from __future__ import annotations

import signal
import threading
from collections.abc import Iterable


def known_signals(*names: str) -> tuple[signal.Signals, ...]:
    """Returns the signals with these names that exist on this system."""
    return tuple(getattr(signal, name) for name in names if hasattr(signal, name))


class NotedSignals:
    """A context manager that only records some signals and restores their handlers at the end.

    ``received`` is the last recorded signal, or 0. Outside the main thread no signal is recorded, because Python allows
    signal handlers in the main thread only.

    Args:
        numbers: The signals to record.
    """

    def __init__(self, numbers: Iterable[signal.Signals]) -> None:
        self.numbers = tuple(numbers)
        self.received: int = 0
        self._before: dict[int, object] = {}

    def __enter__(self) -> NotedSignals:
        self.received = 0
        if threading.current_thread() is threading.main_thread():
            for number in self.numbers:
                self._before[number] = signal.signal(number, self._note) or signal.SIG_DFL
        return self

    def __exit__(self, *error: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        self._before = {}

    def _note(self, number: int, _: object) -> None:
        self.received = signal.Signals(number)  # no log line: another one may be half written
