"""Ctrl-C as a wish instead of an accident."""
from __future__ import annotations

import signal
from types import FrameType, TracebackType

_NAMES = ('SIGINT', 'SIGTERM', 'SIGHUP')


class StopSignals:
    """Within its block, a signal to end is noted and not acted upon, so that a frame can be finished.

    A second signal of the kind does what it always does. ``received`` is the signal, None as long as there is none.
    To be used as a context manager in the main thread.
    """

    def __init__(self) -> None:
        self.received: signal.Signals | None = None
        self._before: dict = {}

    def __enter__(self) -> StopSignals:
        for name in _NAMES:
            kind = getattr(signal, name, None)  # Windows knows fewer
            # What is ignored stays so: `nohup` ignores the end of the terminal.
            if kind is not None and signal.getsignal(kind) is not signal.SIG_IGN:
                self._before[kind] = signal.signal(kind, self._note) or signal.SIG_DFL
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 trace: TracebackType | None) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _note(self, number: int, frame: FrameType | None) -> None:
        self.received = signal.Signals(number)
        signal.signal(number, self._before[number])
