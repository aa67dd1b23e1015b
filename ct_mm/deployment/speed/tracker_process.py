"""Runs a tracker in its own process, so that trackers can be timed in turn without disturbing each other.

In a shared process they would: PyTorch has one thread count for all, the threads of one runtime keep spinning while
the next one computes, and their memory could not be separated. PyTorch is imported only if the tracker needs it.
"""
from __future__ import annotations

import os
import pickle
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from ct_mm.deployment.speed.tracker_spec import TrackerSpec

_ROOT = Path(__file__).resolve().parents[3]


@dataclass(frozen=True)
class Conditions:
    """Conditions shared by all trackers of a comparison.

    Args:
        image_size: Width and height of the frames in pixels.
        threads: Number of threads of each tracker, pinned to as many CPUs.
        device: Device as in :func:`~ct_mm.tracking.init_tracker`.
        priority: Whether to use real-time priority, see :func:`~ct_mm.deployment.speed.machine.take_priority`.
    """

    image_size: tuple[int, int] = (1280, 720)
    threads: int = 2
    device: str = 'cpu'
    priority: bool = False


@dataclass(frozen=True)
class Failure:
    """Answer of a process that cannot load its tracker, with the reason."""

    message: str


@dataclass(frozen=True)
class FrameTime:
    """Times of one frame in seconds.

    Args:
        whole: Time of ``track``: cropping, network and placing the box.
        network: Time from the crop to the box in it; None if the tracker has no ``locate``.
        cpu: CPU time of all threads, including the unmeasured frames before this one.
    """

    whole: float
    network: float | None
    cpu: float


class TrackerProcess:
    """Starts a process that loads a tracker and tracks one frame on request.

    Args:
        spec: The tracker to load. Without a checkpoint, its weights are random with a fixed seed.
        conditions: Conditions to run under.

    Raises:
        ValueError: The tracker cannot be loaded, or the conditions cannot be met.
    """

    def __init__(self, spec: TrackerSpec, conditions: Conditions) -> None:
        self.name = spec.name
        # multiprocessing would import the caller's script and everything that it imports.
        paths = os.pathsep.join(filter(None, [str(_ROOT), os.environ.get('PYTHONPATH')]))
        self._process = subprocess.Popen(
            [sys.executable, '-m', 'ct_mm.deployment.speed.tracker_server'], stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, env=dict(os.environ, PYTHONPATH=paths))
        try:
            #: ``runtime``, ``precision`` and ``cpus`` (None if the process is not pinned).
            self.facts: dict = self._ask((spec, conditions))
        except (RuntimeError, ValueError):
            self.close()
            raise

    def run_frame(self) -> FrameTime:
        """Starts on the target and tracks one frame twice, first unmeasured, then measured.

        The first time absorbs the traces of other trackers: their data in the caches and their spinning threads.
        """
        return self._ask('frame')

    def peak_memory(self) -> int | None:
        """Returns the peak memory of the process in bytes, or None if the operating system does not report it."""
        return self._ask('memory')

    def close(self) -> None:
        """Ends the process."""
        self._process.stdin.close()
        try:
            self._process.wait(5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process.stdout.close()

    def _ask(self, question):
        try:
            pickle.dump(question, self._process.stdin)
            self._process.stdin.flush()
            answer = pickle.load(self._process.stdout)
        except (EOFError, BrokenPipeError):
            raise RuntimeError(f'{self.name}: the process ended with exit code {self._process.wait()}; a negative '
                               'code is a signal, and -9 usually means that memory ran out') from None
        if isinstance(answer, Failure):
            raise ValueError(f'{self.name}: {answer.message}')
        return answer
