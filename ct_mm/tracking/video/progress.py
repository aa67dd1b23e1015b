"""Progress display of long runs."""
from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import TextIO

_WIDTH = 20


class Progress:
    """Shows the number done, the speed and the remaining time.

    On a terminal, one line is rewritten; otherwise a new line is written every 30 seconds.

    Args:
        total: Total number; None if unknown.
        stream: Output stream. Default: the standard error stream.
        clock: Function that returns seconds. Default: the monotonic clock.
        unit: Singular noun for what is counted. Default: ``'frame'``.
    """

    def __init__(self, total: int | None = None, stream: TextIO | None = None,
                 clock: Callable[[], float] = time.monotonic, unit: str = 'frame') -> None:
        self.total, self.unit = total, unit
        self._stream, self._clock = stream or sys.stderr, clock
        self._rewrites = self._stream.isatty()
        self._pause = 0.2 if self._rewrites else 30
        self._start = self._last = clock()
        self._shown = 0  # characters of the line on the terminal

    def __call__(self, done: int) -> None:
        """Reports the number done; writes it unless the last output was too recent."""
        now = self._clock()
        if now - self._last < self._pause:
            return
        self._last = now
        line = self._line(done, now - self._start)
        self._stream.write(f'\r{line:{self._shown}}' if self._rewrites else f'{line}\n')
        self._stream.flush()
        self._shown = len(line)

    def rate(self, done: int) -> float:
        """Returns the average number per second since the start."""
        return done / max(self._clock() - self._start, 1e-9)

    def close(self) -> None:
        """Clears the line for the output that follows."""
        if self._rewrites and self._shown:
            self._stream.write(f'\r{"":{self._shown}}\r')
            self._stream.flush()
            self._shown = 0

    def _line(self, done: int, seconds: float) -> str:
        rate = done / seconds
        if self.total is None or done > self.total:  # headers of videos can be wrong
            return f'{self.unit} {done}  {rate:.1f} {self.unit}s/s'
        filled = _WIDTH * done // self.total
        bar = f'[{"#" * filled}{"." * (_WIDTH - filled)}] ' if self._rewrites else ''
        minutes, left = divmod(round((self.total - done) / rate), 60)
        hours, minutes = divmod(minutes, 60)
        remaining = f'{hours}:{minutes:02d}:{left:02d}' if hours else f'{minutes}:{left:02d}'
        return f'{bar}{self.unit} {done}/{self.total}  {rate:.1f} {self.unit}s/s  {remaining} left'
