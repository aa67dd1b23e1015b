"""Handles Ctrl+C gracefully: the current frame and the output files are completed."""
from __future__ import annotations

import signal

from ct_mm.engine.stop_signals import NotedSignals, known_signals


class StopSignals(NotedSignals):
    """Records the signals that stop a video. Repeating a signal has its default effect."""

    def __init__(self) -> None:
        # Ignored signals stay ignored: `nohup` ignores the end of the terminal.
        super().__init__(number for number in known_signals('SIGINT', 'SIGTERM', 'SIGHUP')
                         if signal.getsignal(number) is not signal.SIG_IGN)

    def _note(self, number: int, _: object) -> None:
        super()._note(number, _)
        signal.signal(number, self._before[number])
