"""Trackers timed in turn; the processes themselves once, the arithmetic with made-up times."""
import os
import signal

import numpy as np
import pytest
import torch
from mmengine.config import Config

from ct_mm.deployment.speed import benchmark as module
from ct_mm.deployment.speed.benchmark import benchmark_trackers
from ct_mm.deployment.speed.tracker_process import Conditions, FrameTime, TrackerProcess
from ct_mm.deployment.speed.tracker_spec import TrackerSpec

ONE = Conditions(image_size=(160, 120), threads=1)


@pytest.fixture
def config(tmp_path, tiny_model):
    path = tmp_path / 'tiny.py'
    Config(dict(model=tiny_model())).dump(path)
    return str(path)


@pytest.fixture
def turns(monkeypatch):
    """Replaces the processes by made-up times; returns who was asked, in order."""
    asked = []

    class Made:
        facts = dict(runtime='none', precision='fp32', cpus=[0])

        def __init__(self, spec, conditions):
            self.name, self.frames = spec.name, 0

        def run_frame(self):
            asked.append(self.name)
            self.frames += 1
            slow = 100 if self.frames <= 2 else 1  # the warm-up frames
            network = dict(fast=1e-3, slow=4e-3, blind=None)[self.name]
            return FrameTime(slow * (5e-3 if network is None else 1.25 * network), network and slow * network, 0.0)

        def peak_memory(self):
            return 3 << 20 if self.name == 'slow' else None

        def close(self):
            asked.append(f'{self.name} closed')

    monkeypatch.setattr(module, 'TrackerProcess', Made)
    monkeypatch.setattr(TrackerSpec, 'resolved', lambda spec: spec)
    return asked


def specs(*names):
    return [TrackerSpec(name, f'{name}.py') for name in names]


def test_speeds_are_against_the_first_and_warm_up_does_not_count(turns):
    done = []
    slow, fast = benchmark_trackers(specs('slow', 'fast'), ONE, frames=3, warm_up=2, progress=done.append).rows
    assert (slow.network_ms, slow.frame_ms, fast.frame_p90) == pytest.approx((4, 5, 1.25))
    assert (slow.network_speed, fast.network_speed, fast.frame_speed) == pytest.approx((1, 4, 4))
    assert fast.added == pytest.approx(0.25) and slow.peak_mib == 3 and np.isnan(fast.peak_mib)
    assert done == list(range(1, 11))


def test_the_order_changes_from_turn_to_turn(turns):
    benchmark_trackers(specs('slow', 'fast', 'blind'), ONE, frames=2, warm_up=1)
    assert turns[:9] == ['slow', 'fast', 'blind', 'fast', 'blind', 'slow', 'blind', 'slow', 'fast']
    assert sorted(turns[9:]) == ['blind closed', 'fast closed', 'slow closed']


def test_a_tracker_whose_network_cannot_be_told_apart_has_whole_frames(turns):
    row = benchmark_trackers(specs('blind', 'fast'), ONE, frames=1, warm_up=2).rows[0]
    assert row.frame_ms == pytest.approx(5) and np.isnan([row.network_ms, row.network_speed, row.added]).all()


@pytest.mark.parametrize('names, options, message', [
    (['fast', 'fast'], {}, 'same name: fast, fast'), ([], {}, 'nothing to measure: 0 trackers'),
    (['fast'], dict(frames=0), '0 frames')])
def test_nothing_to_measure(turns, names, options, message):
    with pytest.raises(ValueError, match=message):
        benchmark_trackers(specs(*names), ONE, **options)


def test_more_threads_than_cpus(turns):
    with pytest.raises(ValueError, match='threads must be between 1 and'):
        benchmark_trackers(specs('fast'), Conditions(threads=4096))


def test_a_tracker_in_a_process_of_its_own(config):
    before = torch.get_num_threads(), os.sched_getaffinity(0) if hasattr(os, 'sched_getaffinity') else None
    process = TrackerProcess(TrackerSpec('tiny', config, precision='bf16'), ONE)
    try:
        assert process.facts['runtime'].startswith('PyTorch') and process.facts['precision'] == 'bf16'
        frame = process.run_frame()
        assert 0 < frame.network < frame.whole and frame.cpu > 0
        assert process.peak_memory() is None or process.peak_memory() > 1 << 20
        os.kill(process._process.pid, signal.SIGKILL)
        with pytest.raises(RuntimeError, match=r'tiny: the process ended with exit code -9'):
            process.run_frame()
    finally:
        process.close()
    assert (torch.get_num_threads(), os.sched_getaffinity(0) if hasattr(os, 'sched_getaffinity') else None) == before


def test_a_tracker_that_cannot_be_loaded_is_named(tmp_path):
    with pytest.raises(ValueError, match='student: .*nothing.onnx'):
        TrackerProcess(TrackerSpec('student', str(tmp_path / 'nothing.onnx')), ONE)


def test_an_exported_tracker_runs_without_pytorch(make_tracker, tmp_path):
    for package in ('onnx', 'onnxscript', 'onnxruntime'):
        pytest.importorskip(package, reason=f'.onnx files need {package}')
    from ct_mm.deployment.export.export_tracker import export_tracker
    export_tracker(make_tracker(), tmp_path / 'a.onnx', 'onnx')
    row, = benchmark_trackers([TrackerSpec('a', str(tmp_path / 'a.onnx'))], ONE, frames=2, warm_up=0).rows
    assert row.runtime.startswith('ONNX Runtime') and row.frame_ms > row.network_ms > 0
    assert row.peak_mib != row.peak_mib or row.peak_mib < 200  # PyTorch alone takes more
