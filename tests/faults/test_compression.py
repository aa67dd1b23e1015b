"""A compression, started as a user starts it, under the same faults."""
import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from torch.utils.data import get_worker_info

from ct_mm import train
from ct_mm.compression import replacement_rate, sample_path
from ct_mm.compression.export import student
from ct_mm.engine.checkpoints.reading import read_state_dict
from ct_mm.engine.checkpoints.writing import save_checkpoint
from ct_mm.package_files import resolve_path
from ct_mm.registry import TRANSFORMS

CONFIG = """
_base_ = ['ct_mm::quickstart/tiny_tracker.py', 'ct_mm::_base_/compress.py']
compress = dict(teacher='teacher.pth', num_stages=3)
train_dataloader = dict(
    batch_size=2,
    num_workers=0,
    persistent_workers=False,
    dataset=dict(
        pairs_per_epoch=4,
        sources=[dict(type='ct_mm.SequencePairs',
                      dataset=dict(type='ct_mm.SequenceFolder', data_root='ct_mm::demo/clips'))]))
train_cfg = dict(type='EpochBasedTrainLoop', max_epochs=2)
optim_wrapper = dict(type='OptimWrapper', optimizer=dict(type='AdamW', lr=1e-4))
"""


@pytest.fixture
def start(tmp_path, monkeypatch):
    """Trains by the command line, in a folder of its own."""
    monkeypatch.chdir(tmp_path)
    Path('four.py').write_text(CONFIG)
    save_checkpoint(dict(state_dict=read_state_dict('ct_mm::demo/teacher/tiny_teacher.pth')), 'teacher.pth')
    number = iter(range(100))

    def run(*arguments):
        name = f'experiment_name={tmp_path.name}_{next(number)}'
        options = [part for part in arguments if '=' in part]
        train.main(['four.py', '--work-dir', 'work', '--device', 'cpu',
                    *[part for part in arguments if '=' not in part], '--cfg-options', name, *options])

    return run


def test_a_bad_loss_names_the_path_and_the_frames(start):
    with pytest.raises(FloatingPointError, match=r'iteration 2 \(epoch 1\).* path \((True|False), .*bunny'):
        start('optim_wrapper.optimizer.lr=1e30')
    step, = map(json.loads, Path('work/bad_steps.jsonl').read_text().splitlines())
    rank, = step['ranks']
    assert step['iteration'] == 2 and rank['path'] == list(sample_path(0, 1, replacement_rate(1, 4), 3))
    assert rank['losses'] == dict.fromkeys(['loss_giou', 'loss_l1', 'loss_score'], 'nan')
    assert len(rank['files']) == 4 and all('bunny' in file for file in rank['files'])
    assert not list(Path('work').glob('*.pth'))  # none was due before, and none is written of broken weights


def test_another_division_another_teacher_and_none(start):
    start('train_cfg.max_epochs=1')
    config = Config.fromfile('work/four.py')
    assert config.default_hooks.checkpoint.type == 'ct_mm.SafeCheckpointHook'
    assert config.train_cfg.type == 'ct_mm.GuardedEpochLoop'
    with pytest.raises(ValueError, match=r'model\.num_stages: 3 in the checkpoint, 4 here'):
        start('--resume', 'compress.num_stages=4')
    os.rename('teacher.pth', 'moved.pth')
    with pytest.raises(FileNotFoundError, match=r'teacher\.pth does not exist'):
        start('--resume')
    start('--resume', 'compress.teacher=moved.pth')
    assert Path('work/epoch_2.pth').exists() and Path('work/student/student.pth').exists()


def teacher_with(change):
    weights = read_state_dict('ct_mm::demo/teacher/tiny_teacher.pth')
    weights['backbone.norm.bias'] += change
    save_checkpoint(dict(state_dict=weights), 'teacher.pth')


def logs():
    return ''.join(file.read_text() for file in Path('work').rglob('*.log'))


def test_another_teacher_under_the_same_name_is_an_error_and_an_unknown_one_a_warning(start):
    start('train_cfg.max_epochs=1')
    teacher_with(1e-3)
    with pytest.raises(ValueError, match=r'weights of the teacher: not those of the checkpoint \(SHA-256 [0-9a-f]{12}'):
        start('--resume')
    save_checkpoint(dict(net={f'module.{name}': value for name, value in read_state_dict(
        'ct_mm::demo/teacher/tiny_teacher.pth').items()}), 'teacher.pth')  # other bytes, the same weights
    start('--resume')
    assert Path('work/epoch_2.pth').exists() and 'weights of the teacher' not in logs()
    checkpoint = torch.load('work/epoch_1.pth', weights_only=False)
    assert list(checkpoint['meta'].pop('facts')) == ['weights of the teacher']
    save_checkpoint(checkpoint, 'old.pth')
    teacher_with(1e-3)
    start('--resume', 'old.pth')
    assert logs().count('weights of the teacher: the checkpoint does not say') == 1


@pytest.mark.parametrize('option, words', [
    ('compress.mimic=None', r'model\.mimic: nothing in the checkpoint, None here'),
    ('compress.guidance=None', r'model\.guidance: nothing in the checkpoint, None here'),
])
def test_a_loss_that_is_switched_off_is_another_training(start, option, words):
    start('train_cfg.max_epochs=1')
    with pytest.raises(ValueError, match=words):
        start('--resume', option)


def test_settings_of_hooks_that_changed_are_told(start):
    start('train_cfg.max_epochs=1')
    start('--resume', 'compress.replacement.initial=0.9', 'compress.fit.samples=4')
    assert 'custom_hooks.ct_mm.ReplacementRateHook.initial: nothing in the checkpoint, 0.9 here' in logs()
    assert re.search(r'custom_hooks.ct_mm.StageFitHook: nothing in the checkpoint, .*"samples": 4.* here', logs())


def test_a_folder_to_resume_from(start, tmp_path):
    start('train_cfg.max_epochs=1')
    os.rename('work', 'before')
    Path('empty').mkdir()
    with pytest.raises(ValueError, match=r'--resume empty: this folder holds no checkpoint epoch_N.pth or interrupted'):
        start('--resume', 'empty')
    start('--resume', 'before')
    assert Path('work/epoch_2.pth').exists() and not Path('work/epoch_1.pth').exists()


def test_a_data_worker_that_dies_names_its_sample(start, monkeypatch):
    calls = iter(range(1, 100))

    def die_at_the_third(transform, results):
        if get_worker_info() is not None and next(calls) == 3:
            os.kill(os.getpid(), signal.SIGKILL)
        return results

    monkeypatch.setattr(TRANSFORMS.get('ct_mm.PairBrightness'), 'transform', die_at_the_third)
    with pytest.raises(RuntimeError, match=r'making draw 2 \(seed 0\) of .*bunny\.mp4 \(frame \d+\).* --resume'):
        start('train_dataloader.num_workers=1')


def test_what_a_killed_process_left_is_gone_when_the_training_goes_on(start):
    start('train_cfg.max_epochs=1')
    left = [Path('work', folder, f'.{name}.{2**40}') for folder, name in (
        ('', 'epoch_2.pth'), ('', 'last_checkpoint'), ('', 'bad_steps.jsonl'), ('', 'training.png'),
        ('student', 'student.pth'), ('student', 'student.py'))]
    for file in left:
        file.write_bytes(b'half')
    start('--resume')
    assert not any(file.exists() for file in left)
    assert not [file for file in Path('work').rglob('.*') if file.is_file()]


class Command:

    def __reduce__(self):
        return os.system, ('touch it-ran', )


def test_a_malicious_teacher_is_refused_and_runs_nothing(start):
    torch.save(dict(state_dict=read_state_dict('teacher.pth'), settings=Command()), 'teacher.pth')
    with pytest.raises(ValueError, match=r'teacher\.pth holds more than tensors .*set compress.trust_teacher=True'):
        start()
    assert not Path('it-ran').exists() and not list(Path('work').glob('*.pth'))


@pytest.mark.slow
def test_a_training_that_is_killed_at_random_moments_ends_with_the_same_bits():
    script = Path(resolve_path('ct_mm::configs')).parent / 'benchmarks' / 'kill_and_resume.py'
    done = subprocess.run([sys.executable, str(script), '--kills', '3', '--epochs', '3'],
                          capture_output=True, text=True, env=dict(os.environ, OMP_NUM_THREADS='1'), timeout=1000)
    assert done.returncode == 0, done.stdout + done.stderr
    for name in ('KILL', 'TERM'):
        assert re.search(rf'3 kills with SIG{name} in \d trainings?, each of which ended with the same bits',
                         done.stdout)


@pytest.mark.parametrize('blocked', ['student', 'student/student.pth'])
def test_an_export_that_cannot_be_written_is_found_before_the_first_step(start, blocked):
    if blocked == 'student':
        Path('work').mkdir()
        Path('work/student').write_text('a file where the folder should be')
    else:
        Path('work/student/student.pth').mkdir(parents=True)
    with pytest.raises(OSError, match=r'student/student\.pth cannot be written: '):
        start()
    assert not list(Path('work').glob('*.pth')) and 'loss' not in logs()


def test_a_full_disk_at_the_export_says_what_to_do_and_the_checkpoint_is_kept(start, monkeypatch):
    """A write to /dev/full fails as one to a full disk does."""
    save = student.save_checkpoint

    def full(content, path):
        Path(path).with_name(f'.{Path(path).name}.{os.getpid()}').symlink_to('/dev/full')
        save(content, path)

    with monkeypatch.context() as patch:
        patch.setattr(student, 'save_checkpoint', full)
        with pytest.raises(OSError, match=r'no space left in .*work/student: .*student.pth needs \d+\.\d MB.*--resume'):
            start()
    assert Path('work/epoch_2.pth').exists() and not Path('work/student/student.pth').exists()
    start('--resume')
    assert Path('work/student/student.pth').exists()
