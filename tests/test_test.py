"""``python -m ct_mm.test --benchmark``: what the options do to a config, and whole runs."""
import csv
import os
import shutil
from pathlib import Path

import cv2
import mmengine.device.utils
import numpy as np
import pytest
import torch
from mmengine.config import Config

from ct_mm import test
from ct_mm.registry import MODELS
from ct_mm.tracking.evaluation import ResultFolder

BENCHMARK = """
test_dataloader = dict(
    batch_size=1, num_workers=0, sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(type='ct_mm.SequenceFolder', data_root='data/mine'))
test_evaluator = dict(type='ct_mm.SOTMetric')
test_cfg = dict(type='ct_mm.SequenceTestLoop')
"""
TRACKER = dict(
    type='ct_mm.OSTrack',
    backbone=dict(type='ct_mm.OneStreamViT', embed_dim=32, depth=2, num_heads=2, template_size=64, search_size=128),
    head=dict(type='ct_mm.CenterHead', in_channels=32, feat_size=8, channels=16))


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A current folder with ``mine.py`` (a benchmark), its data, ``tracker.py`` and ``weights.pth``."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv('LOCAL_RANK', '0')
    monkeypatch.setenv('CUDA_VISIBLE_DEVICES', '')
    monkeypatch.setattr(mmengine.device.utils, 'DEVICE', 'cpu')
    Path('mine.py').write_text(BENCHMARK)
    rng = np.random.default_rng(0)
    for name, frames in (('left', 4), ('right', 3)):
        sequence = Path('data', 'mine', name)
        sequence.mkdir(parents=True)
        for frame in range(frames):
            cv2.imwrite(str(sequence / f'{frame + 1:08d}.png'), rng.integers(0, 255, (90, 120, 3), np.uint8))
        (sequence / 'groundtruth.txt').write_text('40,30,24,20\n' * frames)
    Config(dict(model=TRACKER)).dump('tracker.py')
    torch.manual_seed(0)
    torch.save(dict(state_dict=MODELS.build(TRACKER).state_dict()), 'weights.pth')
    return tmp_path


def parsed(*argv):
    return test.build_parser().parse_args(['tracker.py', 'weights.pth', *argv])


def run(name, *argv):
    """One run in this process; MMEngine wants a name of its own for each."""
    test.main([*argv, '--device', 'cpu', '--cfg-options', f'experiment_name=test_test_{os.getpid()}_{name}'])


def test_options_go_to_the_loop_that_understands_them():
    cfg = Config(dict(test_cfg={}, work_dir='work', test_dataloader=dict(dataset=dict(data_root='a'))))
    test.apply_test_options(cfg, parsed())
    assert cfg.test_cfg == {}, 'without an option the config keeps its loop'
    test.apply_test_options(cfg, parsed('--data-root', 'b'))
    assert cfg.test_cfg == {} and cfg.test_dataloader.dataset.data_root == 'b'
    test.apply_test_options(cfg, parsed('--workers', '2', '--fresh'))
    assert cfg.test_cfg == dict(type='ct_mm.SequenceTestLoop', workers=2, fresh=True)
    test.apply_test_options(cfg, parsed('--benchmark', 'uav123'))
    assert cfg.test_cfg.results_dir == str(Path('work', 'results', 'uav123'))
    test.apply_test_options(cfg, parsed('--benchmark', 'uav123', '--results-dir', 'here'))
    assert cfg.test_cfg.results_dir == 'here'


def test_a_loop_of_ones_own_does_not_take_them():
    cfg = Config(dict(test_cfg=dict(type='MyLoop')))
    with pytest.raises(ValueError, match='--workers, --results-dir need test_cfg.type=ct_mm.SequenceTestLoop.*MyLoop'):
        test.apply_test_options(cfg, parsed('--workers', '1', '--results-dir', 'x'))


def test_an_unknown_benchmark_ends_in_a_usage_error(folder, capsys):
    with pytest.raises(SystemExit, match='2'):
        test.main(['tracker.py', 'weights.pth', '--benchmark', 'lasott'])
    assert "there is no benchmark 'lasott'" in capsys.readouterr().err


def test_a_tracker_without_any_data_of_its_own_runs_a_benchmark_and_resumes(folder):
    # as mim calls it, which puts its own arguments first
    run('first', 'tracker.py', 'weights.pth', '--launcher', 'none', '--benchmark', 'mine.py', '--workers', '2')
    results = folder / 'work_dirs' / 'tracker' / 'results' / 'mine'
    assert ResultFolder.open(results).names() == ['left', 'right']
    with open(results / 'scores.csv', newline='') as stream:
        assert any('left' in row for row in csv.reader(stream))
    assert (results / 'scores.md').is_file()
    times = [file.stat().st_mtime_ns for file in results.glob('*.txt')]
    run('again', 'tracker.py', '--checkpoint', 'weights.pth', '--benchmark', 'mine.py')
    assert [file.stat().st_mtime_ns for file in results.glob('*.txt')] == times
    run('fresh', 'tracker.py', 'weights.pth', '--benchmark', 'mine.py', '--fresh')
    assert (results.with_name('mine.1') / 'left.txt').stat().st_mtime_ns in times


def test_the_benchmark_takes_the_place_of_what_the_config_tests_on(folder):
    own = dict(type='ct_mm.SequenceFolder', data_root='data/gone', sequences=['nobody'])
    Config(
        dict(
            model=TRACKER, test_evaluator=dict(type='ct_mm.SOTMetric', outfile_prefix='never'), test_cfg={},
            test_dataloader=dict(batch_size=1, sampler=dict(type='DefaultSampler'), dataset=own))).dump('tracker.py')
    shutil.move('data/mine', 'data/moved')
    run('overlay', 'tracker.py', 'weights.pth', '--benchmark', 'mine.py', '--data-root', 'data/moved', '--results-dir',
        'tracks')
    assert ResultFolder.open('tracks').names() == ['left', 'right'] and not Path('never').exists()


def test_the_config_of_a_compression_evaluates_its_student(folder):
    cfg = dict(model=dict(TRACKER), compress=dict(teacher='weights.pth', num_stages=1),
               runner_type='ct_mm.CompressRunner')
    Config(cfg).dump('compression.py')
    from ct_mm.compression import compress
    distiller = MODELS.build(compress(Config(cfg)).model)
    distiller.init_weights()
    torch.save(dict(state_dict=distiller.state_dict()), 'student.pth')
    run('compression', 'compression.py', 'student.pth', '--benchmark', 'mine.py')
    results = ResultFolder.open('work_dirs/compression/results/mine')
    from ct_mm.tracking.datasets.benchmarks import SequenceFolder
    for sequence in map(SequenceFolder('data/mine').get_sequence, range(2)):
        track, _ = distiller.student.eval().track_sequence(sequence)
        np.testing.assert_allclose(results.read(sequence.name, len(sequence)), track, rtol=0, atol=5.1e-5)
