"""Entry point of the process that a :class:`~ct_mm.deployment.speed.tracker_process.TrackerProcess` starts.

It imports only what the tracker needs, so that its memory is the tracker's.
"""
from __future__ import annotations

import os
import pickle
import signal
import sys
import time

import numpy as np

from ct_mm.deployment.speed.machine import peak_memory, pin_process, take_priority
from ct_mm.deployment.speed.tracker_process import Conditions, Failure, FrameTime
from ct_mm.deployment.speed.tracker_spec import TrackerSpec


def example_frame(width: int, height: int) -> tuple[np.ndarray, np.ndarray]:
    """Returns an RGB uint8 frame (H, W, 3) with smooth areas and edges, and a target in its middle, xywh in pixels."""
    import cv2
    coarse = np.random.default_rng(0).integers(0, 256, (9, 16, 3), np.uint8)
    image = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)
    w, h = width / 8, height / 6
    box = np.array([(width - w) / 2, (height - h) / 2, w, h])
    x, y, w, h = box.astype(int)
    image[y:y + h, x:x + w] = (230, 120, 20)
    return image, box


def main() -> None:
    """Reads a tracker with its conditions, then commands from the standard input; answers on the standard output."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches all processes; this one ends when its input closes
    answers = os.fdopen(os.dup(1), 'wb')
    os.dup2(2, 1)  # keep what libraries print out of the answers
    spec, conditions = pickle.load(sys.stdin.buffer)
    try:
        cpus = pin_process(conditions.threads) if conditions.device == 'cpu' else None
        if conditions.priority:
            take_priority()
        tracker = _load(spec, conditions)
        image, box = example_frame(*conditions.image_size)
        tracker.init(image, box)
    except (ImportError, OSError, RuntimeError, ValueError) as error:
        _answer(answers, Failure(str(error)))
        return
    watch = _watch_network(tracker)
    _answer(answers, dict(runtime=_runtime(tracker), precision=getattr(tracker, 'precision', 'fp32'), cpus=cpus))
    while True:
        try:
            command = pickle.load(sys.stdin.buffer)
        except EOFError:
            return
        _answer(answers, peak_memory() if command == 'memory' else _run_frame(tracker, watch, image, box))


def _answer(stream, value) -> None:
    pickle.dump(value, stream)
    stream.flush()


def _run_frame(tracker, watch: _Stopwatch | None, image: np.ndarray, box: np.ndarray) -> FrameTime:
    cpu = time.process_time()
    tracker.init(image, box)  # restart each time, since random weights may track anything
    tracker.track(image)
    tracker.init(image, box)
    start = time.perf_counter()
    tracker.track(image)
    whole = time.perf_counter() - start
    return FrameTime(whole, None if watch is None else watch.seconds, time.process_time() - cpu)


def _load(spec: TrackerSpec, conditions: Conditions):
    import cv2

    from ct_mm.tracking.runtime import init_tracker
    cv2.setNumThreads(conditions.threads)
    if spec.model.endswith('.py'):
        import torch
        torch.manual_seed(0)
    return init_tracker(spec.model, spec.checkpoint, conditions.device, conditions.threads, spec.precision)


def _watch_network(tracker) -> _Stopwatch | None:
    """Has a stopwatch time each call of a tracker's network; None if it is not a tracker that runs the loop."""
    if not hasattr(tracker, 'make_loop'):
        return None
    loop = tracker.make_loop()
    watch = loop.session = _Stopwatch(loop.session)
    tracker.make_loop = lambda: loop
    return watch


def _runtime(tracker) -> str:
    if hasattr(tracker, 'session'):
        return repr(tracker.session)
    import torch
    return f'PyTorch {torch.__version__.partition("+")[0]}, eager'


class _Stopwatch:
    """A session that stores how long the last call of another one took; that one returns when its result is ready."""

    def __init__(self, session) -> None:
        self._session, self.seconds = session, 0.0
        self.batched, self.prepare = session.batched, session.prepare

    def __call__(self, *args):
        start = time.perf_counter()
        result = self._session(*args)
        self.seconds = time.perf_counter() - start
        return result


if __name__ == '__main__':
    main()
