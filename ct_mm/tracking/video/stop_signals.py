"""Handles Ctrl+C gracefully: the frame at work is finished, and with it the files."""
from __future__ import annotations

import signal

from ct_mm.engine.stop_signals import NotedSignals, known_signals


class StopSignals(NotedSignals):
    """Notes the signals that end a video. A second signal of the kind does what it always does."""

    def __init__(self) -> None:
        # What is ignored stays so: `nohup` ignores the end of the terminal.
        super().__init__(number for number in known_signals('SIGINT', 'SIGTERM', 'SIGHUP')
                         if signal.getsignal(number) is not signal.SIG_IGN)

    def _note(self, number: int, _: object) -> None:
        super()._note(number, _)
        signal.signal(number, self._before[number])
