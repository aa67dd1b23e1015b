"""Times trackers of any kind in one run, taking turns, each in its own process."""
from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass

import numpy as np

from ct_mm.deployment.speed.machine import busy_seconds, describe_cpu, usable_cpus
from ct_mm.deployment.speed.tracker_process import Conditions, FrameTime, TrackerProcess
from ct_mm.deployment.speed.tracker_spec import TrackerSpec


@dataclass(frozen=True)
class BenchmarkRow:
    """Results of one tracker; times are in milliseconds.

    Args:
        name: Name of the tracker.
        runtime: Name and version of the runtime.
        precision: Precision of the network.
        network_ms: Median time of the network, from the uint8 crop to the box in it. NaN if it cannot be separated.
        network_p90: 90th percentile of the network's time.
        network_speed: Speed of the network relative to the first tracker's.
        frame_ms: Median time of the whole frame: cropping, network and placing the box.
        frame_p90: 90th percentile of the time of the frame.
        frame_speed: Speed of the whole frame relative to the first tracker's.
        added: Time added by cropping and placing the box, as a fraction of the network's: the median over frames.
        peak_mib: Peak memory of the tracker's process in MiB. NaN if the operating system does not report it.
    """

    name: str
    runtime: str
    precision: str
    network_ms: float
    network_p90: float
    network_speed: float
    frame_ms: float
    frame_p90: float
    frame_speed: float
    added: float
    peak_mib: float


@dataclass(frozen=True)
class Benchmark:
    """Results of a benchmark and the conditions under which they were measured.

    Args:
        rows: One row for each tracker, in the order given.
        conditions: Conditions shared by all trackers.
        frames: Number of measured frames per tracker.
        warm_up: Number of frames per tracker before the measurement.
        machine: Description of the CPU.
        cpus: CPUs to which all trackers were pinned; None if they were not pinned.
        others: Average number of CPUs kept busy by other programs; NaN if unknown.
    """

    rows: list[BenchmarkRow]
    conditions: Conditions
    frames: int
    warm_up: int
    machine: str
    cpus: list[int] | None
    others: float


def benchmark_trackers(specs: Sequence[TrackerSpec], conditions: Conditions, frames: int = 50, warm_up: int = 10,
                       progress: Callable[[int], None] | None = None) -> Benchmark:
    """Times trackers frame by frame in rotating order, so that disturbances of the machine affect all of them alike.

    Args:
        specs: Trackers to time; speeds are relative to the first.
        conditions: Conditions shared by all trackers.
        frames: Number of measured frames per tracker.
        warm_up: Number of frames per tracker before the measurement.
        progress: Called with the number of frames done out of ``len(specs) * (frames + warm_up)``.

    Raises:
        ValueError: Two trackers have the same name, there is nothing to measure, a tracker cannot be loaded, or the
            conditions cannot be met.
        RuntimeError: The process of a tracker ended.
    """
    names = [spec.name for spec in specs]
    if len(set(names)) < len(names):
        raise ValueError(f'two trackers have the same name: {", ".join(names)}')
    if not names or frames < 1 or warm_up < 0:
        raise ValueError(f'nothing to measure: {len(names)} trackers, {frames} frames, {warm_up} warm-up frames')
    if conditions.threads > len(usable_cpus()) or conditions.threads < 1:
        raise ValueError(f'threads must be between 1 and {len(usable_cpus())}, the number of CPUs available to this '
                         f'process, not {conditions.threads}')
    times: dict[str, list[FrameTime]] = {name: [] for name in names}
    with ExitStack() as stack:
        processes = [stack.enter_context(closing(TrackerProcess(spec.resolved(), conditions))) for spec in specs]
        for turn in range(warm_up + frames):
            if turn == warm_up:
                clock, busy = time.perf_counter(), busy_seconds()
            first = turn % len(processes)
            for index, process in enumerate(processes[first:] + processes[:first]):
                measured = process.run_frame()
                if turn >= warm_up:
                    times[process.name].append(measured)
                if progress is not None:
                    progress(turn * len(processes) + index + 1)
        clock, own = time.perf_counter() - clock, sum(each.cpu for name in names for each in times[name])
        others = np.nan if busy is None else max(0.0, (busy_seconds() - busy - own) / clock)
        memory = [process.peak_memory() for process in processes]
        facts = [process.facts for process in processes]
    columns = [_milliseconds(times[name]) for name in names]
    rows = [_row(*each, columns[0]) for each in zip(names, facts, memory, columns)]
    return Benchmark(rows, conditions, frames, warm_up, describe_cpu(), facts[0]['cpus'], float(others))


def _milliseconds(times: Sequence[FrameTime]) -> np.ndarray:
    """Returns the times of the network and of the whole frame in milliseconds, (F, 2)."""
    return np.array([(np.nan if each.network is None else each.network, each.whole) for each in times]) * 1e3


def _row(name: str, facts: dict, peak: int | None, times: np.ndarray, first: np.ndarray) -> BenchmarkRow:
    network, frame = map(float, np.median(times, axis=0))
    network_p90, frame_p90 = map(float, np.percentile(times, 90, axis=0))
    network_speed, frame_speed = map(float, np.median(first, axis=0) / (network, frame))
    return BenchmarkRow(
        name, facts['runtime'], facts['precision'], network, network_p90, network_speed, frame, frame_p90, frame_speed,
        added=float(np.median(times[:, 1] / times[:, 0] - 1)), peak_mib=np.nan if peak is None else peak / 2**20)
