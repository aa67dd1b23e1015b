"""Kills a training repeatedly and checks that the result is that of an undisturbed training.

The included 12-layer teacher is compressed to 3 layers on pairs from the included clip, on the CPU, with a checkpoint
every second step, of which one is kept. Each process is killed at a random moment, every other one while a checkpoint
is being written, and the next process continues with --resume. After each kill there must be a whole checkpoint (as
soon as the first was written). The last process must end with the same bits as an undisturbed training: weights,
optimizer, schedules.

    OMP_NUM_THREADS=1 python benchmarks/kill_and_resume.py                    # 20 times SIGKILL, then 20 times SIGTERM
    OMP_NUM_THREADS=1 python benchmarks/kill_and_resume.py --kills 5 --signals KILL --seed 7

Prints a row for each kill and exits with 1 at the first failure. POSIX only: each process is forked from a server that
has imported torch and computed nothing, so it starts quickly and loses no thread.
"""
import argparse
import contextlib
import multiprocessing
import os
import random
import signal
import sys
import tempfile
import time
from pathlib import Path

import mmengine.config.config
import torch
from yapf.yapflib import yapf_api

import ct_mm.compression.hooks  # (imported once, in the server of the lives)
import ct_mm.tracking.datasets
import ct_mm.tracking.models  # noqa: F401
from ct_mm import train
from ct_mm.engine.checkpoints.reading import read_checkpoint
from ct_mm.engine.checkpoints.resume import newest_whole, training_files
from ct_mm.engine.loops.stop_signals import EXIT_CODE

CONFIG = """
_base_ = ['ct_mm::quickstart/tiny_tracker.py', 'ct_mm::_base_/compress.py']
compress = dict(teacher='ct_mm::demo/teacher/tiny_teacher.pth', num_stages=3)
train_dataloader = dict(
    batch_size=2,
    num_workers=1,
    dataset=dict(
        pairs_per_epoch=10,
        sources=[dict(type='ct_mm.SequencePairs',
                      dataset=dict(type='ct_mm.SequenceFolder', data_root='ct_mm::demo/clips'))]))
train_cfg = dict(type='EpochBasedTrainLoop', max_epochs={epochs})
optim_wrapper = dict(type='OptimWrapper', optimizer=dict(type='AdamW', lr=1e-4), clip_grad=dict(max_norm=0.1))
param_scheduler = [dict(type='LinearLR', start_factor=0.1, by_epoch=False, end=7),
                   dict(type='MultiStepLR', milestones=[2], by_epoch=True)]
default_hooks = dict(checkpoint=dict(by_epoch=False, interval=2, max_keep_ckpts=1))
"""
STEPS_OF_A_LIFE = 6  # on average half as many


def build_parser() -> argparse.ArgumentParser:
    """Returns the parser of this script."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--kills', type=int, default=20, help='kills with each signal')
    parser.add_argument('--signals', nargs='+', default=['KILL', 'TERM'], choices=['KILL', 'TERM', 'USR1', 'INT'])
    parser.add_argument('--epochs', type=int, default=6, help='epochs of five steps')
    parser.add_argument('--seed', type=int, default=0, help='seed of the moments, which also depend on the machine')
    return parser


class Training:
    """A training in a folder of its own."""

    def __init__(self, config: Path, folder: Path) -> None:
        self.arguments = [str(config), '--work-dir', str(folder), '--device', 'cpu', '--resume']
        self.folder = folder

    def start(self) -> multiprocessing.Process:
        """Starts a process and returns it."""
        life = multiprocessing.get_context('forkserver').Process(target=self.run)
        life.start()
        return life

    def run(self) -> None:
        """Trains in this process, its output in a file."""
        with open(self.folder.with_suffix('.log'), 'a') as log:
            os.dup2(log.fileno(), 1)
            os.dup2(log.fileno(), 2)
        torch.set_num_threads(1)
        # formatting the config takes longer than a life here
        yapf_api.FormatCode = mmengine.config.config.FormatCode = lambda text, **_: (text, False)
        train.main(self.arguments)

    def whole(self) -> int:
        """Iterations in the newest whole checkpoint, 0 if there is no file.

        Raises:
            ValueError: If there are checkpoints and none is whole.
        """
        found = newest_whole(training_files(self.folder, 'iter_{}.pth', 'interrupted.pth'))
        return 0 if found is None else found.iteration

    def writes(self) -> bool:
        """Whether a checkpoint is being written."""
        return any(self.folder.glob('.*.pth.*'))


def wait(life: multiprocessing.Process, seconds: float = 600) -> int | None:
    """Waits for a process to end; returns its status (negative for a signal), or None if it still runs."""
    life.join(seconds)
    return life.exitcode


def same(one: object, other: object) -> bool:
    """Whether two parts of checkpoints are equal to the bit."""
    if isinstance(one, torch.Tensor):
        return torch.equal(one, other)
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    if isinstance(one, (list, tuple)):
        return len(one) == len(other) and all(map(same, one, other))
    return one == other


def check_end(training: Training, untouched: Training, last: str) -> None:
    """Ends the script if two trainings differ."""
    one, other = (read_checkpoint(part.folder / last) for part in (training, untouched))
    for key in ('state_dict', 'optimizer', 'param_schedulers'):
        if not same(one[key], other[key]):
            sys.exit(f'{training.folder}: {key} differs from that of the undisturbed training')
    if not same(read_checkpoint(training.folder / 'student' / 'student.pth'),
                read_checkpoint(untouched.folder / 'student' / 'student.pth')):
        sys.exit(f'{training.folder}: the exported student differs')


def main() -> None:
    """Runs the script."""
    args = build_parser().parse_args()
    os.environ['OPENBLAS_NUM_THREADS'] = '1'  # for the server, where importing NumPy would start threads
    rng = random.Random(args.seed)
    last = f'iter_{5 * args.epochs}.pth'
    with tempfile.TemporaryDirectory() as name:
        config = Path(name, 'training.py')
        config.write_text(CONFIG.format(epochs=args.epochs))
        untouched = Training(config, Path(name, 'untouched'))
        if wait(untouched.start()) != 0:
            sys.exit(f'cannot train:\n{untouched.folder.with_suffix(".log").read_text()[-3000:]}')
        began = time.monotonic()
        wait(Training(config, Path(name, 'timed')).start())
        step = (time.monotonic() - began) / (5 * args.epochs)
        print(f'untouched: {5 * args.epochs} steps of {step:.2f} s, start and saves included; seed {args.seed}\n'
              f'{"death":>5} {"signal":>7} {"after":>7} {"while":>8} {"status":>6} {"whole":>6}')
        for chosen in args.signals:
            number, deaths, rounds, training, reached = getattr(signal, f'SIG{chosen}'), 0, 0, None, 0
            while deaths < args.kills or training is not None:
                if training is None:
                    training, reached, rounds = Training(config, Path(name, f'{chosen}_{rounds}')), 0, rounds + 1
                life, began, writing = training.start(), time.monotonic(), deaths % 2 == 1
                status = wait(life, rng.uniform(0, STEPS_OF_A_LIFE * step) if deaths < args.kills else 600)
                while status is None and writing and not training.writes():
                    status = wait(life, 0.002)
                if status is None:
                    with contextlib.suppress(ProcessLookupError):  # it has just ended
                        os.kill(life.pid, number)
                    after, status = time.monotonic() - began, wait(life)
                    whole = training.whole()
                    if status not in (-number, EXIT_CODE, 0) or whole < reached:
                        sys.exit(f'after kill {deaths}: status {status}, {whole} iterations, {reached} before:\n'
                                 f'{training.folder.with_suffix(".log").read_text()[-3000:]}')
                    reached, deaths = whole, deaths + (status != 0)
                    print(f'{deaths:5d} {chosen:>7} {after:6.2f}s {"writing" if writing else "anything":>8} '
                          f'{status:6d} {whole:6d}', flush=True)
                elif status:
                    sys.exit(f'failed by itself:\n{training.folder.with_suffix(".log").read_text()[-3000:]}')
                if not status:
                    check_end(training, untouched, last)
                    training = None
            trainings = f'{rounds} training{"s" if rounds > 1 else ""}'
            print(f'{deaths} kills with SIG{chosen} in {trainings}, each of which ended with the same bits')


if __name__ == '__main__':
    main()
