"""A training that is told to end saves itself, and goes on as if nothing had been."""
import json
import os
import signal
import subprocess

import pytest
import toy_training
from clean_process import run_clean, run_together
from toy_training import Layers, join_ranks, toy_config, toy_train, wrapped

from ct_mm.engine.checkpoints.reading import read_checkpoint
from ct_mm.engine.loops.stop_signals import EXIT_CODE


def at(count, number=signal.SIGTERM, process=os.getpid, kill=os.kill):
    """A function that sends a signal the ``count``-th time it is called, and hands on its first argument."""
    calls = iter(range(1, 1000))

    def act(*args):
        if next(calls) == count:
            kill(process(), number)
        return args[0] if args else None

    return act


def as_a_stranger(pid, number):
    """From another process, as a scheduler does it."""
    subprocess.run(['kill', f'-{number}', str(pid)], check=True, timeout=60)


VALIDATED = dict(
    val_dataloader=dict(
        batch_size=2, num_workers=0, collate_fn=dict(type='numbers_collate'), dataset=dict(type='ct_mm.Numbers'),
        sampler=dict(type='DefaultSampler', shuffle=False)),
    val_cfg=dict(),
    val_evaluator=dict(type='ct_mm.Mean'),
    train_cfg=dict(type='ct_mm.GuardedEpochLoop', max_epochs=4, val_interval=2))


def train_told(folder, part, count, name='SIGTERM', more=None):
    """A training that gets a signal the ``count``-th time that one of its parts is used."""
    getattr(toy_training, part).act = staticmethod(at(count, getattr(signal, name)))
    before = signal.getsignal(signal.SIGTERM)
    try:
        toy_train(folder, **(more or {}))
    finally:
        assert signal.getsignal(signal.SIGTERM) is before


@pytest.fixture(scope='module')
def whole(tmp_path_factory):
    """The folder of a training that nobody disturbed."""
    folder = tmp_path_factory.mktemp('undisturbed') / 'whole'
    toy_train(folder)
    return folder


@pytest.mark.parametrize('name, step', [('SIGTERM', 1), ('SIGTERM', 7), ('SIGUSR1', 8), ('SIGINT', 16)])
def test_a_signal_ends_the_training_after_the_step_and_it_goes_on_bit_for_bit(train, whole, same, tmp_path, name, step):
    assert run_clean(train_told, tmp_path / 'halves', 'Layers', step, name) == EXIT_CODE == 75
    file = tmp_path / 'halves' / 'interrupted.pth'
    assert (tmp_path / 'halves' / 'last_checkpoint').read_text() == str(file)
    assert read_checkpoint(file)['meta']['iter'] == step
    train('halves', resume=True)
    assert same(whole / 'epoch_4.pth', tmp_path / 'halves' / 'epoch_4.pth')
    assert not file.exists()  # the next regular checkpoint took its place


def test_a_loop_of_iterations_too(train, same, tmp_path):
    loop = dict(
        train_cfg=dict(type='ct_mm.GuardedIterLoop', max_iters=8, val_interval=100),
        default_hooks=dict(checkpoint=dict(type='ct_mm.SafeCheckpointHook', by_epoch=False, interval=3)),
        train_dataloader=dict(
            batch_size=2, num_workers=0, collate_fn=dict(type='numbers_collate'), dataset=dict(type='ct_mm.Numbers'),
            sampler=dict(type='InfiniteSampler')),
        param_scheduler=None)
    train('whole', **loop)
    assert run_clean(train_told, tmp_path / 'halves', 'Layers', 5, 'SIGTERM', loop) == EXIT_CODE
    train('halves', resume=True, **loop)
    assert same(tmp_path / 'whole' / 'iter_8.pth', tmp_path / 'halves' / 'iter_8.pth')


def test_a_validation_that_was_stopped_is_made_again(train, same, tmp_path):
    def metrics(name):
        return [json.loads(line) for file in sorted((tmp_path / name).rglob('scalars.json'))
                for line in file.read_text().splitlines() if 'mean' in line]

    more = dict(VALIDATED, default_hooks=dict(
        checkpoint=dict(type='ct_mm.SafeCheckpointHook', interval=1, save_best='mean', rule='less')))
    train('whole', **more)
    assert run_clean(train_told, tmp_path / 'halves', 'Mean', 2, 'SIGTERM', more) == EXIT_CODE
    assert not metrics('halves')
    train('halves', resume=True, **more)
    assert same(tmp_path / 'whole' / 'epoch_4.pth', tmp_path / 'halves' / 'epoch_4.pth')
    assert [line['mean'] for line in metrics('halves')] == [line['mean'] for line in metrics('whole')]
    assert [file.name for file in sorted((tmp_path / 'whole').glob('best*'))] == [
        file.name for file in sorted((tmp_path / 'halves').glob('best*'))]


def test_accumulated_gradients_are_used_before_the_training_stops(train, same, tmp_path):
    optim = dict(optim_wrapper=dict(
        type='OptimWrapper', optimizer=dict(type='AdamW', lr=1e-2), accumulative_counts=2))
    train('whole', **optim)
    assert run_clean(train_told, tmp_path / 'halves', 'Layers', 7, 'SIGTERM', optim) == EXIT_CODE
    assert read_checkpoint(tmp_path / 'halves' / 'interrupted.pth')['meta']['iter'] == 8
    train('halves', resume=True, **optim)
    assert same(tmp_path / 'whole' / 'epoch_4.pth', tmp_path / 'halves' / 'epoch_4.pth')


def train_with_a_worker(folder, resume, told_at=None):
    """At a step both the worker and this process are told to end, if one is given."""
    loader, runners = toy_config(folder).train_dataloader, []
    loader.update(num_workers=1, persistent_workers=True)
    if told_at is not None:
        def to_all(loss, samples):
            to_worker(), to_trainer()
            return loss

        to_trainer = at(told_at)
        to_worker = at(
            told_at, process=lambda: runners[0].train_dataloader._iterator._workers[0].pid, kill=as_a_stranger)
        Layers.act = staticmethod(to_all)
    toy_train(folder, runners.append, train_dataloader=loader, resume=resume)


def test_a_signal_to_the_whole_job_leaves_the_data_workers_alive(same, tmp_path):
    assert run_clean(train_with_a_worker, tmp_path / 'whole', False) == 0
    # The process must end though its worker has not been told to.
    assert run_clean(train_with_a_worker, tmp_path / 'halves', False, 6) == EXIT_CODE
    assert run_clean(train_with_a_worker, tmp_path / 'halves', True) == 0
    assert same(tmp_path / 'whole' / 'epoch_4.pth', tmp_path / 'halves' / 'epoch_4.pth')


def train_interrupted_twice(folder):
    def twice(loss, _samples):
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)

    Layers.act = staticmethod(twice)
    with pytest.raises(KeyboardInterrupt):
        toy_train(folder)


def test_the_second_interrupt_from_the_keyboard_ends_it_at_once(tmp_path):
    assert run_clean(train_interrupted_twice, tmp_path / 'run') == 0
    assert (tmp_path / 'run').exists() and not list((tmp_path / 'run').glob('*.pth'))


def train_a_rank(rank, meeting, folder, stop_at, resume):
    if rank == 1 and stop_at:
        Layers.act = staticmethod(at(stop_at))
    join_ranks(rank, meeting)
    toy_train(folder, wrapped, resume=resume)


def test_all_ranks_stop_after_the_same_step_though_one_alone_got_the_signal(same, tmp_path):
    def train(name, stop_at, resume):
        meeting = tmp_path / f'{name}_{resume}'
        meeting.mkdir()
        return run_together(train_a_rank, [(rank, meeting, tmp_path / name, stop_at, resume) for rank in (0, 1)])

    assert train('whole', None, False) == [0, 0]
    assert train('halves', 3, False) == [EXIT_CODE, EXIT_CODE]
    assert read_checkpoint(tmp_path / 'halves' / 'interrupted.pth')['meta']['iter'] == 3
    assert train('halves', None, True) == [0, 0]
    assert same(tmp_path / 'whole' / 'epoch_4.pth', tmp_path / 'halves' / 'epoch_4.pth')
