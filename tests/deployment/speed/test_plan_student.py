"""The largest student that is fast enough; times are made up, five milliseconds for a layer."""
import json

import pytest
from mmengine.config import Config

from ct_mm.deployment.speed import plan_student as module
from ct_mm.deployment.speed.benchmark import Benchmark, BenchmarkRow
from ct_mm.deployment.speed.plan_report import answer, format_plan, write_plan
from ct_mm.deployment.speed.plan_student import BACKENDS, plan_student
from ct_mm.deployment.speed.tracker_process import Conditions


@pytest.fixture
def config(tiny_model):
    return Config(dict(model=tiny_model(6)))


@pytest.fixture
def timed(monkeypatch):
    """Makes times up; returns what was timed and how."""
    calls = []

    def benchmark(specs, conditions, frames, warm_up, progress):
        calls.append((specs, conditions, frames, warm_up))
        progress(len(specs) * (frames + warm_up))
        times = [5.0 * int(spec.name.split()[0]) for spec in specs]
        rows = [BenchmarkRow(spec.name, 'none', 'fp32', time, time, times[0] / time, time, time + 1, times[0] / time,
                             added=0.1, peak_mib=100.0) for spec, time in zip(specs, times)]
        return Benchmark(rows, conditions, frames, warm_up, 'a CPU', [0], 0.0)

    monkeypatch.setattr(module, 'benchmark_trackers', benchmark)
    return calls


def plan(config, folder, target_ms, **options):
    return plan_student(config, target_ms, folder, backend='pytorch', **options)


def test_the_deepest_student_that_is_fast_enough(config, tmp_path, timed):
    found = plan(config, tmp_path, 20)
    assert [student.layers for student in found.students] == [1, 2, 3, 4, 6]
    assert found.best.layers == 4 and found.best.speed.frame_speed == pytest.approx(1.5)
    assert [student.cost.layers for student in found.students] == [1, 2, 3, 4, 6]
    assert answer(found) == ('The deepest student that meets 20 ms for a whole frame in pytorch on this machine has '
                             '4 layers: 20.00 ms, median. One frame in ten takes more than 21.00 ms.')
    specs, conditions, *_ = timed[0]
    assert specs[0].name == '6 layers' and conditions == Conditions()  # speeds are relative to the teacher
    assert len(Config.fromfile(specs[-1].model).model) == len(config.model)


def test_none_is_fast_enough(config, tmp_path, timed):
    found = plan(config, tmp_path, 3, layers=[2, 3])
    assert found.best is None and [student.layers for student in found.students] == [2, 3, 6]
    assert answer(found).startswith('No student meets 3 ms') and '2 layers: 10.00 ms' in answer(found)


def test_all_are_fast_enough(config, tmp_path, timed):
    assert plan(config, tmp_path, 1000).best.layers == 6


@pytest.mark.parametrize('options, message', [
    (dict(backend='tensorrt'), 'backend must be one of openvino-int8, .*, pytorch'),
    (dict(backend='pytorch', layers=[7]), 'layers must be between 1 and 6, the depth of the teacher, not 7'),
    (dict(backend='pytorch', layers=[0, 2]), 'layers must be between 1 and 6')])
def test_what_cannot_be_planned_is_said_before_anything_is_timed(config, tmp_path, timed, options, message):
    with pytest.raises(ValueError, match=message):
        plan_student(config, 20, tmp_path, **options)
    assert not timed


def test_progress_tells_students_and_frames(config, tmp_path, timed):
    told = []
    plan(config, tmp_path, 20, layers=[1], frames=4, warm_up=1, progress=lambda *each: told.append(each))
    assert told == [('student', 0, 2), ('student', 1, 2), ('student', 2, 2), ('frame', 0, 10), ('frame', 10, 10)]


def test_the_report_has_a_row_for_each_and_the_answer(config, tmp_path, timed):
    found = plan(config, tmp_path / 'files', 20, layers=[2])
    text = format_plan(found)
    rows = [[cell.strip() for cell in line.split('|')[1:-1]] for line in text.split('\n')[2:4]]
    assert [row[0] for row in rows] == ['2', '6'] and [row[-1] for row in rows] == ['yes', 'no']
    assert '3.00x' in rows[0] and answer(found) in text and '1280x720' in text
    files = write_plan(found, tmp_path / 'out')
    values = json.loads(files[1].read_text())
    assert values['layers'] == 2 and values['students'][0]['macs'] == found.students[0].cost.total.macs


@pytest.mark.slow
@pytest.mark.parametrize('backend', [name for name in BACKENDS if name != 'pytorch'])
def test_students_of_every_backend_can_be_loaded(tiny_model, tmp_path, timed, backend):
    packages = dict(onnx=('onnx', 'onnxscript', 'onnxruntime'), openvino=('openvino', 'nncf'))
    for package in packages[backend.partition('-')[0]]:
        pytest.importorskip(package, reason=f'{backend} needs {package}')
    from ct_mm.tracking.runtime import init_tracker
    plan_student(Config(dict(model=tiny_model(2))), 20, tmp_path, backend)
    spec = timed[0][0][-1]
    tracker = init_tracker(spec.model, precision=spec.precision)
    assert tracker.card.layers == 1 and tracker.card.precision == ('int8' if 'int8' in backend else 'fp32')
