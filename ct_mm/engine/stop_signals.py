"""Handles the signals that ask a process to end gracefully: what is at work is finished first. Needs no PyTorch."""
from __future__ import annotations

import signal
import threading
from collections.abc import Iterable


def known_signals(*names: str) -> tuple[signal.Signals, ...]:
    """The signals of these names, without those that this system does not have."""
    return tuple(getattr(signal, name) for name in names if hasattr(signal, name))


class NotedSignals:
    """Within the ``with`` block some signals are only noted. Afterwards all is as it was before.

    ``received`` is the last one, 0 as long as there is none. Outside the main thread, where Python lets nobody handle
    signals, none is noted.

    Args:
        numbers: The signals.
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
        self.received = signal.Signals(number)  # no log line: this may run in the middle of another write to the log
