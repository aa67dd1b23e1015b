"""Records the signals that stop a training, so that it can stop between two steps."""
from __future__ import annotations

import signal

import torch
from mmengine.dist import all_reduce, get_world_size

from ct_mm.engine.stop_signals import NotedSignals, known_signals

#: Slurm sends SIGUSR1 ahead of time (``--signal=USR1@120``). Not every system has it.
STOP_SIGNALS = known_signals('SIGTERM', 'SIGUSR1', 'SIGINT')
#: Exit code of a training that was stopped and saved: "temporary failure, try again" (EX_TEMPFAIL of sysexits.h).
EXIT_CODE = 75


class Interrupted(SystemExit):
    """A signal stopped the training, and everything was saved. Ends the process with ``EXIT_CODE``."""

    def __init__(self) -> None:
        super().__init__(EXIT_CODE)


class StopSignals(NotedSignals):
    """Records the signals that stop a training. A second Ctrl+C interrupts it at once."""

    def __init__(self) -> None:
        super().__init__(STOP_SIGNALS)

    def _note(self, number: int, _: object) -> None:
        if number == signal.SIGINT and self.received == signal.SIGINT and get_world_size() == 1:
            raise KeyboardInterrupt
        super()._note(number, _)

    def agreed(self) -> int:
        """The signal that any rank has received, or 0. All ranks must call this at the same step; all get the same."""
        if get_world_size() == 1:
            return self.received
        number = torch.tensor([self.received])
        all_reduce(number, 'max')
        return int(number)
