"""Whole evaluations on made-up sequences: in one process and several, killed and resumed."""
import copy
import itertools
import json
import os
import subprocess
import sys
import time

import cv2
import numpy as np
import pytest
import torch
from clean_process import run_clean, run_together
from mmengine.config import Config
from mmengine.hooks import Hook
from mmengine.runner import Runner

from ct_mm.cli import build_runner
from ct_mm.registry import HOOKS
from ct_mm.tracking.datasets.benchmarks import SequenceFolder
from ct_mm.tracking.evaluation import ResultFolder, sequence_test_loop
from ct_mm.tracking.inference import init_model

LENGTHS = dict(a=5, b=7, c=4, d=3)  # the longest is not the first
_number = itertools.count()


@HOOKS.register_module(force=True)
class LoopSpyHook(Hook):
    """Notes which calls of a test came with what."""

    def __init__(self):
        self.calls = []

    def before_test(self, runner):
        self.calls.append('before_test')

    def before_test_epoch(self, runner):
        self.calls.append('before_test_epoch')

    def before_test_iter(self, runner, batch_idx, data_batch=None):
        self.calls.append(('before', batch_idx, [sample.sequence_name for sample in data_batch['data_samples']]))

    def after_test_iter(self, runner, batch_idx, data_batch=None, outputs=None):
        self.calls.append(('after', batch_idx, [sample.pred_track_instances.bboxes.shape for sample in outputs]))

    def after_test_epoch(self, runner, metrics=None):
        self.calls.append(('after_test_epoch', sorted(metrics)))

    def after_test(self, runner):
        self.calls.append('after_test')


@pytest.fixture
def data_root(tmp_path):
    """Four sequences of a bright square that walks over noise."""
    root, rng = tmp_path / 'sequences', np.random.default_rng(0)
    ground = rng.integers(0, 120, (90, 120, 3), np.uint8)
    for number, (name, frames) in enumerate(LENGTHS.items()):
        (root / name).mkdir(parents=True)
        boxes = [(40 + (number - 1) * 2 * i, 30 + 2 * i, 24, 20) for i in range(frames)]
        for i, (x, y, w, h) in enumerate(boxes):
            image = ground.copy()
            cv2.rectangle(image, (x, y), (x + w - 1, y + h - 1), (40, 200, 250), -1)
            cv2.imwrite(str(root / name / f'{i + 1:08d}.png'), image)
        (root / name / 'groundtruth.txt').write_text('\n'.join(','.join(map(str, box)) for box in boxes))
    return root


@pytest.fixture
def make_cfg(tiny_model, tracker_files, data_root, tmp_path):
    """Config of an evaluation; keyword arguments go to the loop."""
    _, checkpoint = tracker_files()

    def make(work_dir='work', dataset=None, batch_size=1, **loop):
        return Config(
            dict(
                model=tiny_model(),
                load_from=checkpoint,
                default_scope='mmengine',
                work_dir=str(tmp_path / work_dir),
                test_dataloader=dict(
                    batch_size=batch_size, num_workers=0, sampler=dict(type='DefaultSampler', shuffle=False),
                    dataset=dict(type='ct_mm.SequenceFolder', data_root=str(data_root), **(dataset or {}))),
                test_evaluator=dict(type='ct_mm.SOTMetric'),
                test_cfg=dict(type='ct_mm.SequenceTestLoop', **loop),
                custom_hooks=[dict(type='ct_mm.LoopSpyHook')],
                experiment_name=f'sequence_test_loop_{os.getpid()}_{next(_number)}'))

    return make


@pytest.fixture
def folder(tmp_path):
    """Where the tracks are by default."""
    return tmp_path / 'work' / 'results' / 'SequenceFolder'


@pytest.fixture(autouse=True)
def metainfo_without_benchmark(monkeypatch):
    monkeypatch.setattr('ct_mm.tracking.datasets.benchmarks.SequenceFolder.METAINFO', dict(task_name='sot'))


def files(path):
    """What every file holds, but for the one that says whose they are."""
    return {str(file.relative_to(path)): file.read_bytes() for file in sorted(path.rglob('*'))
            if file.is_file() and file.name != 'tracker.json'}


def calls(runner):
    return next(hook for hook in runner.hooks if isinstance(hook, LoopSpyHook)).calls


def test_scores_and_calls_are_those_of_the_ordinary_loop_and_the_tracks_are_files(make_cfg, folder, data_root):
    runner = build_runner(make_cfg())
    scores = runner.test()
    ordinary_cfg = make_cfg('ordinary')
    ordinary_cfg.test_cfg = {}
    ordinary = build_runner(ordinary_cfg)
    assert scores == pytest.approx(ordinary.test(), rel=1e-3)  # files have four decimals
    assert calls(runner) == calls(ordinary) and len(calls(runner)) == 4 + 2 * len(LENGTHS)
    results = ResultFolder.open(folder)
    assert results.names() == list(LENGTHS)
    dataset = runner.test_dataloader.dataset
    for index, (name, length) in enumerate(LENGTHS.items()):
        track, _ = runner.model.track_sequence(dataset.get_sequence(index))
        np.testing.assert_allclose(results.read(name, length), track, rtol=0, atol=5.1e-5)


def test_batches_of_any_size_give_the_same(make_cfg):
    assert build_runner(make_cfg()).test() == build_runner(make_cfg(batch_size=3)).test()


@pytest.mark.parametrize('fp16', [False, True])
def test_worker_processes_write_the_same_bytes(make_cfg, tmp_path, fp16):
    scores = [build_runner(make_cfg(f'with_{workers}', workers=workers, fp16=fp16)).test() for workers in (0, 2, 9)]
    assert scores[0] == scores[1] == scores[2]
    written = [files(tmp_path / f'with_{workers}' / 'results') for workers in (0, 2, 9)]
    assert written[0] == written[1] == written[2] and len(written[0]) >= len(LENGTHS)
    facts = [json.loads(file.read_text())['facts'] for file in tmp_path.glob('with_*/results/*/tracker.json')]
    assert [fact['fp16'] for fact in facts] == [fp16] * 3


def test_a_second_run_tracks_nothing_and_says_so(make_cfg, folder, monkeypatch):
    scores = build_runner(make_cfg()).test()
    (folder / 'c.txt').unlink()
    lines, tracked = [], []
    monkeypatch.setattr(sequence_test_loop, 'print_log', lambda text, *_: lines.append(text))
    write = ResultFolder.write
    monkeypatch.setattr(ResultFolder, 'write', lambda self, name, *args: (tracked.append(name),
                                                                         write(self, name, *args)))
    before = files(folder)
    assert build_runner(make_cfg()).test() == scores
    assert tracked == ['c'] and {**before, 'c.txt': files(folder)['c.txt']} == files(folder)
    assert f'{folder}; 3 of 4 sequences are already tracked (--fresh' in lines[0]
    assert lines[0].endswith('sequences to track: 1 of 4, with 4 frames')
    assert lines[1].startswith('c: 4 frames; 1 of 1 sequences, 100.0 % of the frames') and '0:00:00 left' in lines[1]


def test_another_tracker_needs_another_folder_or_a_fresh_start(make_cfg, folder, tracker_files):
    build_runner(make_cfg()).test()
    kept = files(folder)
    cfg = make_cfg()
    cfg.load_from = tracker_files('other', seed=1)[1]
    with pytest.raises(ValueError, match='another tracker or benchmark:\n    weights: .* there, .* now'):
        build_runner(copy.deepcopy(cfg)).test()
    assert files(folder) == kept
    cfg.test_cfg.fresh, cfg.experiment_name = True, f'{cfg.experiment_name}_fresh'
    build_runner(cfg).test()
    assert files(folder.with_name('SequenceFolder.1')) == kept and files(folder) != kept
    notes = json.loads((folder / 'tracker.json').read_text())['notes']
    assert notes['checkpoint'].endswith('other.pth') and notes['device'] == 'cpu'


def test_weights_that_a_hook_exchanges_are_the_ones_that_count(make_cfg, folder, monkeypatch):
    build_runner(make_cfg()).test()

    def exchange(hook, runner):
        with torch.no_grad():
            next(runner.model.parameters()).add_(1)

    monkeypatch.setattr(LoopSpyHook, 'before_test_epoch', exchange)
    with pytest.raises(ValueError, match='weights: '):
        build_runner(make_cfg()).test()


def test_a_damaged_file_is_not_scored_and_not_replaced(make_cfg, folder):
    build_runner(make_cfg()).test()
    damaged = (folder / 'a.txt').read_bytes()[:-30]
    (folder / 'a.txt').write_bytes(damaged)
    with pytest.raises(ValueError, match=r'a.txt.*\n.*Delete them'):
        build_runner(make_cfg()).test()
    assert (folder / 'a.txt').read_bytes() == damaged


@pytest.mark.parametrize('dataset, loop, place', [
    (dict(metainfo=dict(benchmark='got10k'), split='val'), {}, 'results/got10k_val/a/a_001.txt'),
    (dict(metainfo=dict(benchmark='uav123')), {}, 'results/uav123/a.txt'),
    ({}, dict(layout='got10k'), 'results/SequenceFolder/a/a_001.txt'),
])
def test_the_benchmark_names_folder_and_layout(make_cfg, tmp_path, dataset, loop, place):
    build_runner(make_cfg(dataset=dataset, **loop)).test()
    assert (tmp_path / 'work' / place).is_file()


def test_the_folder_may_be_anywhere(make_cfg, tmp_path):
    build_runner(make_cfg(results_dir=str(tmp_path / 'elsewhere'))).test()
    assert ResultFolder.open(tmp_path / 'elsewhere').names() == list(LENGTHS)


@pytest.mark.parametrize('workers, message', [
    (-1, 'test_cfg.workers must be an integer of at least 0, not -1'),
    *((workers, f'SequenceTestLoop: workers={workers!r} must be int') for workers in (1.5, True, '2')),
])
def test_a_number_of_workers_that_is_none(make_cfg, workers, message):
    with pytest.raises(ValueError, match=message):
        build_runner(make_cfg(workers=workers)).test()


def test_workers_on_a_gpu_are_refused_with_the_way_out(make_cfg, monkeypatch):
    monkeypatch.setattr(sequence_test_loop, '_device_of', lambda model: torch.device('cuda:0'))
    with pytest.raises(ValueError, match=r'\(--workers\).*model is on cuda:0.*--launcher pytorch --gpus N'):
        build_runner(make_cfg(workers=2)).test()


def _evaluate(cfg, out):
    """Leaves in a file the scores, or the error in a frame, of an evaluation."""
    SequenceFolder.METAINFO = dict(task_name='sot')
    try:
        result = build_runner(Config(cfg)).test()
    except OSError as error:
        result = str(error)
    out.write_text(json.dumps(result))


def _compute_and_evaluate(cfg, out):
    torch.set_num_threads(2)
    cv2.setNumThreads(2)
    for _ in range(3):
        torch.nn.functional.conv2d(torch.randn(8, 16, 64, 64), torch.randn(32, 16, 3, 3)) @ torch.randn(62, 300)
        cv2.resize(np.zeros((1000, 1000, 3), np.uint8), (1900, 1900), interpolation=cv2.INTER_CUBIC)
        np.ones((700, 700)) @ np.ones((700, 700))
    assert torch.get_num_threads() == 2
    if sys.platform == 'linux':
        assert len(os.listdir('/proc/self/task')) > 2, 'both have started threads, which a fork leaves behind'
    _evaluate(cfg, out)


def test_workers_of_a_process_that_has_computed_with_threads(make_cfg, tmp_path):
    expected = build_runner(make_cfg('whole')).test()
    assert run_clean(_compute_and_evaluate, make_cfg(workers=2).to_dict(), tmp_path / 'out') == 0
    assert json.loads((tmp_path / 'out').read_text()) == expected


@pytest.mark.parametrize('workers', [0, 1])
def test_a_frame_that_cannot_be_read_ends_the_run_and_leaves_what_is_done(
        make_cfg, data_root, folder, tmp_path, workers):
    (data_root / 'a' / '00000005.png').write_bytes(b'')
    # In a process of its own: the data loader in the frames of the error would take five seconds to go.
    assert run_clean(_evaluate, make_cfg(workers=workers).to_dict(), tmp_path / 'out') == 0
    assert '00000005.png' in json.loads((tmp_path / 'out').read_text())
    assert ResultFolder(folder).names() == ['b']  # the longest first, then a


STUCK = """
import sys, time
from mmengine.config import Config
from ct_mm.cli import build_runner
from ct_mm.tracking.datasets.benchmarks import SequenceFolder
from ct_mm.tracking.models import BaseTracker

SequenceFolder.METAINFO = dict(task_name='sot')
whole = BaseTracker.track_sequence

def stuck(self, frames):
    if frames.name == sys.argv[2]:
        self.init(frames[0], frames.boxes[0])
        self.track(frames[1])
        time.sleep(600)
    return whole(self, frames)

BaseTracker.track_sequence = stuck
build_runner(Config.fromfile(sys.argv[1])).test()
"""


def test_killed_and_resumed_equals_uninterrupted(make_cfg, tmp_path):
    cases = {0: ('a', ['b']), 2: ('b', ['a', 'c', 'd'])}  # where it is stuck, and what is done by then
    processes = {}
    for workers, (stuck_at, _) in cases.items():  # they take longest to start, so they start together
        cfg = make_cfg(f'killed_{workers}', workers=workers)
        cfg.custom_hooks = []
        cfg.dump(tmp_path / f'{workers}.py')
        processes[workers] = subprocess.Popen([sys.executable, '-c', STUCK, tmp_path / f'{workers}.py', stuck_at],
                                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    expected = build_runner(make_cfg('whole')).test()
    for workers, (_, done) in cases.items():
        folder, process = tmp_path / f'killed_{workers}' / 'results' / 'SequenceFolder', processes[workers]
        end = time.monotonic() + 240
        while ResultFolder(folder).names() != done:
            assert process.poll() is None, process.stdout.read()
            assert time.monotonic() < end, f'{ResultFolder(folder).names()} after 240 s'
            time.sleep(0.02)
        process.kill()
        process.communicate(timeout=60)  # the pipe ends when nobody holds it, so no worker outlives its parent
        assert ResultFolder(folder).names() == done
        kept = [(folder / f'{name}.txt').stat().st_mtime_ns for name in done]
        assert build_runner(make_cfg(f'killed_{workers}', workers=workers)).test() == expected
        assert files(folder) == files(tmp_path / 'whole' / 'results' / 'SequenceFolder')
        assert [(folder / f'{name}.txt').stat().st_mtime_ns for name in done] == kept


def _run_rank(rank, cfg, tmp_path):
    SequenceFolder.METAINFO = dict(task_name='sot')
    torch.distributed.init_process_group('gloo', init_method=f'file://{tmp_path}/store', rank=rank, world_size=2)
    tracked, write = [], ResultFolder.write
    ResultFolder.write = lambda self, name, *args: (tracked.append(name), write(self, name, *args))
    scores = build_runner(Config(cfg)).test()
    (tmp_path / f'rank_{rank}').write_text(json.dumps((tracked, scores)))
    torch.distributed.destroy_process_group()


def test_two_ranks_divide_the_sequences_and_have_the_numbers_of_one(make_cfg, tmp_path, folder):
    expected = build_runner(make_cfg('whole')).test()
    cfg = make_cfg().to_dict()
    assert run_together(_run_rank, [(rank, cfg, tmp_path) for rank in range(2)]) == [0, 0]
    reports = [json.loads((tmp_path / f'rank_{rank}').read_text()) for rank in range(2)]
    assert [sorted(tracked) for tracked, _ in reports] == [['b', 'd'], ['a', 'c']]
    assert all(scores == expected for _, scores in reports)
    assert files(folder) == files(tmp_path / 'whole' / 'results' / 'SequenceFolder')


def test_the_model_of_a_runner_may_be_wrapped(make_cfg, folder, monkeypatch):

    class Wrapper(torch.nn.Module):

        def __init__(self, module):
            super().__init__()
            self.module = module

    monkeypatch.setattr(sequence_test_loop, 'is_model_wrapper', lambda model: isinstance(model, Wrapper))
    cfg = make_cfg()
    expected = build_runner(copy.deepcopy(cfg)).test()
    cfg.experiment_name += '_wrapped'
    runner = Runner.from_cfg(cfg)
    runner.model = Wrapper(init_model(Config(dict(model=cfg.model)), cfg.load_from))
    runner.load_or_resume = lambda: None
    assert runner.test() == expected
