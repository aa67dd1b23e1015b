"""A tracker in a process of its own, so that trackers can be timed in turn and none disturbs another.

In one process they would: PyTorch has one number of threads for all, the threads of one runtime go on spinning while
the next one computes, and memory could not be told apart. Where PyTorch is not needed, it is not imported.
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
    """What all trackers of a comparison run under.

    Args:
        image_size: Width and height of the frames in pixels.
        threads: Threads of each tracker, on as many CPUs.
        device: See :func:`~ct_mm.tracking.init_tracker`.
        priority: Whether no ordinary process may come before, see
            :func:`~ct_mm.deployment.speed.machine.take_priority`.
    """

    image_size: tuple[int, int] = (1280, 720)
    threads: int = 2
    device: str = 'cpu'
    priority: bool = False


@dataclass(frozen=True)
class Failure:
    """Why a tracker cannot be loaded."""

    message: str


@dataclass(frozen=True)
class FrameTime:
    """Seconds of one frame.

    Args:
        whole: All of ``track``: crop, network, placing the box.
        network: From the crop to the box in it; None if the tracker has no ``locate``.
        cpu: Seconds that CPUs worked for this, all threads and the frames before the measured one together.
    """

    whole: float
    network: float | None
    cpu: float


class TrackerProcess:
    """Starts a process, loads a tracker there, and lets it do one frame whenever it is asked to.

    Args:
        spec: The tracker. Without a checkpoint its weights are random, of a fixed seed.
        conditions: What it runs under.

    Raises:
        ValueError: The tracker cannot be loaded, or the conditions cannot be met.
    """

    def __init__(self, spec: TrackerSpec, conditions: Conditions) -> None:
        self.name = spec.name
        # Not multiprocessing: its processes import the caller's script, with all that this imports.
        paths = os.pathsep.join(filter(None, [str(_ROOT), os.environ.get('PYTHONPATH')]))
        self._process = subprocess.Popen(
            [sys.executable, '-m', 'ct_mm.deployment.speed.tracker_server'], stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, env=dict(os.environ, PYTHONPATH=paths))
        try:
            #: ``runtime``, ``precision`` and ``cpus`` (None if it is not pinned).
            self.facts: dict = self._ask((spec, conditions))
        except (RuntimeError, ValueError):
            self.close()
            raise

    def run_frame(self) -> FrameTime:
        """Starts on the target and tracks one frame unmeasured, the same again measured.

        The first one is for what the trackers before have left: their data in the caches, their threads still spinning.
        """
        return self._ask('frame')

    def peak_memory(self) -> int | None:
        """Most bytes of memory that the process has held so far; None if the operating system does not say."""
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
            raise RuntimeError(f'{self.name}: its process ended (exit code {self._process.wait()}); a negative one is '
                               'a signal, -9 mostly means that memory ran out') from None
        if isinstance(answer, Failure):
            raise ValueError(f'{self.name}: {answer.message}')
        return answer
