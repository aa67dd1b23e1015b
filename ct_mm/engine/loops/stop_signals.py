"""Notes the signals by which a scheduler or a user ends a training, so that it can end after a whole step."""
from __future__ import annotations

import signal
import threading
from types import FrameType

import torch
from mmengine.dist import all_reduce, get_world_size

#: SIGUSR1 is what Slurm sends ahead of time (``--signal=USR1@120``); not every system has it.
STOP_SIGNALS = tuple(getattr(signal, name) for name in ('SIGTERM', 'SIGUSR1', 'SIGINT') if hasattr(signal, name))
#: What a training that was stopped and saved exits with: "temporary failure, try again" (EX_TEMPFAIL of sysexits.h).
EXIT_CODE = 75


class Interrupted(SystemExit):
    """The training was stopped by a signal, and all of it was saved. Ends the process with ``EXIT_CODE``."""

    def __init__(self) -> None:
        super().__init__(EXIT_CODE)


class StopSignals:
    """Within the ``with`` block a stop signal is only noted. Afterwards all is as it was before.

    A second Ctrl+C interrupts at once. Outside the main thread, where Python lets nobody handle signals, none is noted.
    """

    def __init__(self) -> None:
        self.received = 0  # number of the signal
        self._before: dict[int, object] = {}

    def __enter__(self) -> StopSignals:
        self.received = 0
        if threading.current_thread() is threading.main_thread():
            self._before = {number: signal.signal(number, self._note) for number in STOP_SIGNALS}
        return self

    def __exit__(self, *error: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        self._before = {}

    def _note(self, number: int, frame: FrameType | None) -> None:
        if number == signal.SIGINT and self.received == signal.SIGINT and get_world_size() == 1:
            raise KeyboardInterrupt
        self.received = number  # and nothing is logged: this may run in the middle of another write to the log

    def agreed(self) -> int:
        """The signal that any rank has received, else 0. All ranks must ask at the same step, and get the same."""
        if get_world_size() == 1:
            return self.received
        number = torch.tensor([self.received])
        all_reduce(number, 'max')
        return int(number)
