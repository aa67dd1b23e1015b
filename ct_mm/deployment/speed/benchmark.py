"""Times trackers of any kind in one run, in turn, each in a process of its own."""
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
    """One tracker of a benchmark; times are in milliseconds.

    Args:
        name: Its name.
        runtime: What runs the network, with its version.
        precision: What the network computes in.
        network_ms: Median of the network: from the crop, uint8, to the box in it. NaN if it cannot be told apart.
        network_p90: 90th percentile of it.
        network_speed: How many times as fast as the first tracker.
        frame_ms: Median of the whole frame: the network, cropping before and placing the box after it.
        frame_p90: 90th percentile of it.
        frame_speed: How many times as fast as the first tracker.
        added: What cropping and placing the box add to the network, as a share of it: the median over the frames.
        peak_mib: Most memory that its process held, in MiB. NaN if the operating system does not say.
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
    """What was measured, and under what conditions.

    Args:
        rows: One for each tracker, in the order given.
        conditions: What all of them ran under.
        frames: Measured frames of each tracker.
        warm_up: Frames of each tracker before those.
        machine: The CPU in words.
        cpus: The CPUs that all of them were pinned to; None if they were not.
        others: CPUs that other programs kept busy meanwhile, on average; NaN if nobody knows.
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
    """Times trackers frame by frame, each time in another order, so that what slows the machine down meets them all.

    Args:
        specs: The trackers; speeds are relative to the first.
        conditions: What all of them run under.
        frames: Measured frames of each.
        warm_up: Frames of each before those.
        progress: Called with the number of frames done, of ``len(specs) * (frames + warm_up)``.

    Raises:
        ValueError: Two have the same name, there is nothing to measure, or a tracker cannot be loaded.
        RuntimeError: The process of a tracker ended.
    """
    names = [spec.name for spec in specs]
    if len(set(names)) < len(names):
        raise ValueError(f'two trackers have the same name: {", ".join(names)}')
    if not names or frames < 1 or warm_up < 0:
        raise ValueError(f'nothing to measure: {len(names)} trackers, {frames} frames, {warm_up} to warm up')
    if conditions.threads > len(usable_cpus()) or conditions.threads < 1:
        raise ValueError(f'threads must be from 1 to the {len(usable_cpus())} CPUs that this process may use, not '
                         f'{conditions.threads}')
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
    """(F, 2): the network and the whole frame."""
    return np.array([(np.nan if each.network is None else each.network, each.whole) for each in times]) * 1e3


def _row(name: str, facts: dict, peak: int | None, times: np.ndarray, first: np.ndarray) -> BenchmarkRow:
    network, frame = map(float, np.median(times, axis=0))
    network_p90, frame_p90 = map(float, np.percentile(times, 90, axis=0))
    network_speed, frame_speed = map(float, np.median(first, axis=0) / (network, frame))
    return BenchmarkRow(
        name, facts['runtime'], facts['precision'], network, network_p90, network_speed, frame, frame_p90, frame_speed,
        added=float(np.median(times[:, 1] / times[:, 0] - 1)), peak_mib=np.nan if peak is None else peak / 2**20)
