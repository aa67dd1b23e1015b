"""Notes the signals by which a scheduler or a user ends a training, so that it can end after a whole step."""
from __future__ import annotations

import signal

import torch
from mmengine.dist import all_reduce, get_world_size

from ct_mm.engine.stop_signals import NotedSignals, known_signals

#: SIGUSR1 is what Slurm sends ahead of time (``--signal=USR1@120``); not every system has it.
STOP_SIGNALS = known_signals('SIGTERM', 'SIGUSR1', 'SIGINT')
#: What a training that was stopped and saved exits with: "temporary failure, try again" (EX_TEMPFAIL of sysexits.h).
EXIT_CODE = 75


class Interrupted(SystemExit):
    """The training was stopped by a signal, and all of it was saved. Ends the process with ``EXIT_CODE``."""

    def __init__(self) -> None:
        super().__init__(EXIT_CODE)


class StopSignals(NotedSignals):
    """Notes the signals that stop a training. A second Ctrl+C interrupts at once."""

    def __init__(self) -> None:
        super().__init__(STOP_SIGNALS)

    def _note(self, number: int, _: object) -> None:
        if number == signal.SIGINT and self.received == signal.SIGINT and get_world_size() == 1:
            raise KeyboardInterrupt
        super()._note(number, _)

    def agreed(self) -> int:
        """The signal that any rank has received, else 0. All ranks must ask at the same step, and get the same."""
        if get_world_size() == 1:
            return self.received
        number = torch.tensor([self.received])
        all_reduce(number, 'max')
        return int(number)
