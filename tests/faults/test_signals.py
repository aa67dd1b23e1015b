"""A training that is told to end saves itself, and goes on as if nothing had been."""
import json
import os
import signal
import subprocess

import pytest
from mmengine.model import MMDistributedDataParallel

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
    subprocess.run(['kill', f'-{number}', str(pid)], check=True)


VALIDATED = dict(
    val_dataloader=dict(
        batch_size=2, num_workers=0, collate_fn=dict(type='numbers_collate'), dataset=dict(type='ct_mm.Numbers'),
        sampler=dict(type='DefaultSampler', shuffle=False)),
    val_cfg=dict(),
    val_evaluator=dict(type='ct_mm.Mean'),
    train_cfg=dict(type='ct_mm.GuardedEpochLoop', max_epochs=4, val_interval=2))


@pytest.mark.parametrize('name, step', [('SIGTERM', 1), ('SIGTERM', 7), ('SIGUSR1', 8), ('SIGINT', 16)])
def test_a_signal_ends_the_training_after_the_step_and_it_goes_on_bit_for_bit(train, toys, same, tmp_path, name, step):
    train('whole')
    toys(Layers=at(step, getattr(signal, name)))
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(SystemExit) as stopped:
        train('halves')
    assert stopped.value.code == EXIT_CODE == 75
    assert signal.getsignal(signal.SIGTERM) is before
    file = tmp_path / 'halves' / 'interrupted.pth'
    assert (tmp_path / 'halves' / 'last_checkpoint').read_text() == str(file)
    assert read_checkpoint(file)['meta']['iter'] == step
    train('halves', resume=True)
    assert same(tmp_path / 'whole' / 'epoch_4.pth', tmp_path / 'halves' / 'epoch_4.pth')
    assert not file.exists()  # the next regular checkpoint took its place


def test_a_loop_of_iterations_too(train, toys, same, tmp_path):
    loop = dict(
        train_cfg=dict(type='ct_mm.GuardedIterLoop', max_iters=8, val_interval=100),
        default_hooks=dict(checkpoint=dict(type='ct_mm.SafeCheckpointHook', by_epoch=False, interval=3)),
        train_dataloader=dict(
            batch_size=2, num_workers=0, collate_fn=dict(type='numbers_collate'), dataset=dict(type='ct_mm.Numbers'),
            sampler=dict(type='InfiniteSampler')),
        param_scheduler=None)
    train('whole', **loop)
    toys(Layers=at(5))
    with pytest.raises(SystemExit):
        train('halves', **loop)
    train('halves', resume=True, **loop)
    assert same(tmp_path / 'whole' / 'iter_8.pth', tmp_path / 'halves' / 'iter_8.pth')


def test_a_validation_that_was_stopped_is_made_again(train, toys, same, tmp_path):
    def metrics(name):
        return [json.loads(line) for file in sorted((tmp_path / name).rglob('scalars.json'))
                for line in file.read_text().splitlines() if 'mean' in line]

    best = dict(checkpoint=dict(type='ct_mm.SafeCheckpointHook', interval=1, save_best='mean', rule='less'))
    train('whole', **VALIDATED, default_hooks=best)
    toys(Mean=at(2))
    with pytest.raises(SystemExit):
        train('halves', **VALIDATED, default_hooks=best)
    assert not metrics('halves')
    train('halves', resume=True, **VALIDATED, default_hooks=best)
    assert same(tmp_path / 'whole' / 'epoch_4.pth', tmp_path / 'halves' / 'epoch_4.pth')
    assert [line['mean'] for line in metrics('halves')] == [line['mean'] for line in metrics('whole')]
    assert [file.name for file in sorted((tmp_path / 'whole').glob('best*'))] == [
        file.name for file in sorted((tmp_path / 'halves').glob('best*'))]


def test_accumulated_gradients_are_used_before_the_training_stops(train, toys, same, tmp_path):
    optim = dict(optim_wrapper=dict(
        type='OptimWrapper', optimizer=dict(type='AdamW', lr=1e-2), accumulative_counts=2))
    train('whole', **optim)
    toys(Layers=at(7))
    with pytest.raises(SystemExit):
        train('halves', **optim)
    assert read_checkpoint(tmp_path / 'halves' / 'interrupted.pth')['meta']['iter'] == 8
    train('halves', resume=True, **optim)
    assert same(tmp_path / 'whole' / 'epoch_4.pth', tmp_path / 'halves' / 'epoch_4.pth')


def test_a_signal_to_the_whole_job_leaves_the_data_workers_alive(train, config, toys, in_child, same, tmp_path):
    loader = config().train_dataloader
    loader.update(num_workers=1, persistent_workers=True)
    assert in_child(lambda: train('whole', train_dataloader=loader)) == 0

    def interrupted():
        def to_all(loss, samples):
            to_worker(), to_trainer()
            return loss

        runners = []
        to_trainer = at(6)
        to_worker = at(6, process=lambda: runners[0].train_dataloader._iterator._workers[0].pid, kill=as_a_stranger)
        toys(Layers=to_all)
        train('halves', train_dataloader=loader, prepare=runners.append)

    # In a process of its own, because it must end though its worker has not been told to.
    assert in_child(interrupted) == EXIT_CODE
    assert in_child(lambda: train('halves', train_dataloader=loader, resume=True)) == 0
    assert same(tmp_path / 'whole' / 'epoch_4.pth', tmp_path / 'halves' / 'epoch_4.pth')


def test_the_second_interrupt_from_the_keyboard_ends_it_at_once(train, toys, tmp_path):
    def twice(loss, _samples):
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)

    toys(Layers=twice)
    with pytest.raises(KeyboardInterrupt):
        train()
    assert not list((tmp_path / 'run').glob('*.pth'))


def test_all_ranks_stop_after_the_same_step_though_one_alone_got_the_signal(train, toys, on_two_ranks, same, tmp_path):
    def parallel(runner):
        runner.model = MMDistributedDataParallel(runner.model)

    def part(name, stop_at, resume):

        def run(rank):
            if rank == 1 and stop_at:
                toys(Layers=at(stop_at))
            train(name, prepare=parallel, resume=resume)

        return run

    assert on_two_ranks(part('whole', None, False)) == [0, 0]
    assert on_two_ranks(part('halves', 3, False)) == [EXIT_CODE, EXIT_CODE]
    assert read_checkpoint(tmp_path / 'halves' / 'interrupted.pth')['meta']['iter'] == 3
    assert on_two_ranks(part('halves', None, True)) == [0, 0]
    assert same(tmp_path / 'whole' / 'epoch_4.pth', tmp_path / 'halves' / 'epoch_4.pth')
