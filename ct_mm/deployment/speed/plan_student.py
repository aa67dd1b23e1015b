"""Measures, before any training, how many layers a student can have and still be fast enough.

Speed depends only on shapes, so weights and calibration crops are random.
"""
from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from mmengine.config import Config

from ct_mm.deployment.export.deployed_network import example_inputs
from ct_mm.deployment.export.export_tracker import export_tracker
from ct_mm.deployment.int8.quantize import quantize_onnx, quantize_openvino
from ct_mm.deployment.speed.benchmark import Benchmark, BenchmarkRow, benchmark_trackers
from ct_mm.deployment.speed.student_config import untrained_student_config
from ct_mm.deployment.speed.tracker_process import Conditions
from ct_mm.deployment.speed.tracker_spec import TrackerSpec
from ct_mm.tracking.evaluation.tracker_cost import NetworkCost, network_cost
from ct_mm.tracking.inference import init_model
from ct_mm.tracking.models import BaseTracker

#: By name: writer of the tracker (None: keep it in PyTorch), suffix of the file, precision.
BACKENDS: dict[str, tuple[Callable[[BaseTracker, Path], object] | None, str, str | None]] = {
    'openvino-int8': (lambda tracker, path: quantize_openvino(tracker, _crops(tracker), path), '.xml', None),
    'openvino-bf16': (lambda tracker, path: export_tracker(tracker, path, 'openvino'), '.xml', 'bf16'),
    'openvino-fp32': (lambda tracker, path: export_tracker(tracker, path, 'openvino'), '.xml', 'fp32'),
    'onnx': (lambda tracker, path: export_tracker(tracker, path, 'onnx'), '.onnx', None),
    'onnx-int8': (lambda tracker, path: quantize_onnx(tracker, _crops(tracker), path), '.onnx', None),
    'pytorch': (None, '.py', None),
}
DEPTHS = (1, 2, 3, 4, 6, 8, 12)


@dataclass(frozen=True)
class PlannedStudent:
    """A student with a given number of layers.

    Args:
        layers: Number of layers.
        cost: Parameters and operations.
        speed: Measured times; ratios are relative to the teacher.
        path: For a hybrid, its path; empty for a student.
    """

    layers: int
    cost: NetworkCost
    speed: BenchmarkRow
    path: str = ''


@dataclass(frozen=True)
class StudentPlan:
    """Students in increasing order of layers; the last has as many as the teacher.

    Args:
        students: The measured students.
        benchmark: The benchmark and its conditions.
        backend: Backend of the students, a key of :data:`BACKENDS`.
        target_ms: Time budget for a whole frame in milliseconds.
    """

    students: list[PlannedStudent]
    benchmark: Benchmark
    backend: str
    target_ms: float

    @property
    def best(self) -> PlannedStudent | None:
        """The student with the most layers whose median frame time meets the target; None if no student does."""
        fast = [student for student in self.students if student.speed.frame_ms <= self.target_ms]
        return max(fast, key=lambda student: student.layers, default=None)


def plan_student(config: Config, target_ms: float, folder: str | os.PathLike, backend: str = 'openvino-int8',
                 layers: Sequence[int] | None = None, conditions: Conditions | None = None, frames: int = 30,
                 warm_up: int = 5, progress: Callable[[str, int, int], None] | None = None,
                 paths: Sequence[str] | None = None) -> StudentPlan:
    """Builds students of several depths with the teacher's shapes and benchmarks them.

    Args:
        config: Config of a tracker or of its compression.
        target_ms: Time budget for a whole frame in milliseconds.
        folder: Folder for the students.
        backend: Backend of the students, a key of :data:`BACKENDS`.
        layers: Numbers of layers to try. Default: those of :data:`DEPTHS` below the teacher's.
        conditions: Conditions of the benchmark. Default: those of :class:`Conditions`.
        frames: Number of measured frames per student.
        warm_up: Number of frames per student before the measurement.
        progress: Called with ``'student'`` while students are built and ``'frame'`` while they are timed, the number
            done (first 0) and the total.
        paths: Plan hybrids along these paths instead of students: from one training of the config's ``compress``, which
            gives all of them.

    Raises:
        ImportError: A package that the backend needs is not installed.
        ValueError: The backend is unknown, the tracker has no stack of layers or fewer layers than requested, or the
            machine does not meet the conditions.
    """
    if backend not in BACKENDS:
        raise ValueError(f'backend must be one of {", ".join(BACKENDS)}, not {backend!r}')
    total = network_cost(init_model(config)).layers
    if total is None:
        raise ValueError(f'{config.filename or "the config"}: model.type={config.model.type} has no stack of layers')
    if paths and layers:
        raise ValueError('give either layers, for students of a training each, or paths, for hybrids of one training')
    depths = sorted({*(layers or [depth for depth in DEPTHS if depth < total]), total})
    if depths[0] < 1 or depths[-1] > total:
        raise ValueError(f'layers must be between 1 and {total}, the depth of the teacher, not '
                         f'{", ".join(map(str, layers))}')
    say = progress or (lambda unit, done, total: None)
    made = []
    planned = [*dict.fromkeys(paths), None] if paths else depths  # None: the teacher
    say('student', 0, len(planned))
    for each in planned:
        student = untrained_student_config(config, path=each) if isinstance(each, str) else \
            untrained_student_config(config, each or total)
        name = f'path_{each}' if isinstance(each, str) else f'{each or total}_layers'
        made.append(_make(student, Path(folder), name, backend))
        say('student', len(made), len(planned))
    if paths:  # in increasing order of layers, as students are
        made, planned = zip(*sorted(zip(made, planned), key=lambda pair: (pair[0][1].layers, pair[1] is None)))
    specs, costs = zip(*made)
    total_frames = len(specs) * (frames + warm_up)
    say('frame', 0, total_frames)
    benchmark = benchmark_trackers(
        specs[::-1], conditions or Conditions(), frames, warm_up,  # teacher first: speeds are relative to it
        lambda done: say('frame', done, total_frames))
    students = [PlannedStudent(cost.layers, cost, row, each if isinstance(each, str) else '')
                for each, cost, row in zip(planned, costs, benchmark.rows[::-1])]
    return StudentPlan(students, benchmark, backend, target_ms)


def _make(config: Config, folder: Path, name: str, backend: str) -> tuple[TrackerSpec, NetworkCost]:
    write, suffix, precision = BACKENDS[backend]
    torch.manual_seed(0)
    tracker = init_model(config)
    path = folder / f'{name}{suffix}'
    if write is None:
        folder.mkdir(parents=True, exist_ok=True)
        config.dump(path)
    else:
        write(tracker, path)
    return TrackerSpec(name.replace('_', ' '), str(path), precision=precision), network_cost(tracker)


def _crops(tracker: BaseTracker) -> list:
    card = tracker.card()
    return [{name: value.numpy() for name, value in example_inputs(card, seed).items()} for seed in range(4)]
