"""Trains the teacher and every row of the comparison and measures them; continues where it was stopped.

    python projects/evidence/run.py --scale gpu --device cuda --jobs 4 --vit vit_small_patch14_fp16.npz

It looks for the photographs in data/bsds500, the videos in data/videos and the test sequences in data/sequences. A row
is done when its results.json is there, and is not done again then. report.py turns the results into a page.
"""
from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

from controls import run_controls
from mmengine.config import Config
from rows import CONFIGS, HERE, ROWS, SCALES, Row, Scale
from speed import measure_speed

from ct_mm import cli
from ct_mm.engine.whole_file import write_text
from ct_mm.tracking.datasets.benchmarks import SequenceFolder

ROOT = HERE.parents[1]
EPOCHS = 20  # of every training, see configs/_schedule.py


class Experiment:
    """All trainings of one scale, in one folder.

    Args:
        args: What the command line says.
        scale: The scale.
    """

    def __init__(self, args: argparse.Namespace, scale: Scale) -> None:
        self.args, self.scale = args, scale
        self.out = Path(args.out) / args.scale
        self.pairs = Path(args.out) / f'pairs_{scale.data}'
        self.vit = Path(args.out) / f'vit_small_{scale.data}.pth'
        self.started = time.monotonic()

    def prepare(self) -> None:
        """Packs the pairs and brings the teacher's start to its crop sizes."""
        for folder, number in ((self.pairs, self.scale.pairs), (self.validation, self.scale.validation)):
            self.call('pack', ROOT / 'tools/dataset_converters/pack_pairs.py', CONFIGS / f'{folder.name}.py', folder,
                      '--pairs', number, '--workers', self.args.pack_workers)
        sides = ['--template-size', self.scale.options['model.backbone.template_size'],
                 '--search-size', self.scale.options['model.backbone.search_size']]
        if self.args.start_from and not self.start.is_file():
            self.call('resize', HERE / 'resize.py', self.args.start_from, self.start, *sides)
        elif not self.args.start_from and not self.vit.is_file():
            self.call('convert', ROOT / 'tools/model_converters/vit_to_ct_mm.py', self.args.vit, self.vit, *sides)

    @property
    def validation(self) -> Path:
        """Packed pairs of photographs that were not used in training."""
        return self.pairs.with_name(f'val_{self.pairs.name}')

    @property
    def start(self) -> Path:
        """Weights of a tracker that the teacher starts from."""
        return self.out / 'teacher' / 'start.pth'

    def train_teacher(self) -> None:
        """Trains and measures the teacher, which every row starts from."""
        folder = self.folder('teacher', 0)
        if not (folder / 'model.pth').is_file() and self.scale.teacher_pairs == 0:
            cfg = Config.fromfile(CONFIGS / 'evidence_tracker.py')
            cfg.merge_from_dict(self.scale.options)
            folder.mkdir(parents=True, exist_ok=True)
            write_text(folder / 'evidence_teacher.py', cfg.pretty_text)
            shutil.copyfile(self.start, folder / 'model.pth')
        elif not (folder / 'model.pth').is_file():
            options = {'train_dataloader.dataset.pairs_per_epoch': self.scale.teacher_pairs // EPOCHS}
            options.update({'load_from': self.start, 'model.backbone.init_cfg': None} if self.args.start_from else
                           {'model.backbone.init_cfg.checkpoint': self.vit})
            self.train('evidence_teacher.py', folder, options)
            self.keep_weights(folder, 'evidence_teacher.py')
        if not (folder / 'results.json').is_file():
            self.measure(folder / 'evidence_teacher.py', folder / 'model.pth', folder)

    def run_row(self, row: Row, seed: int) -> None:
        """Trains and measures one row with one seed."""
        folder = self.folder(row.name, seed)
        pairs = round(self.scale.student_pairs * row.times)
        options = {'train_dataloader.dataset.pairs_per_epoch': pairs // EPOCHS, 'randomness.seed': seed,
                   'train_dataloader.dataset.seed': 1 + seed}
        if row.config == 'scratch.py':
            self.train(row.config, folder, options)
            self.keep_weights(folder, row.config)
            self.measure(folder / row.config, folder / 'model.pth', folder)
            return
        if Config.fromfile(CONFIGS / row.config).compress.get('fit'):
            options['compress.fit.samples'] = self.scale.fit_samples
        self.train(row.config, folder, dict(options, **self.scale.step, **{
            'compress.teacher': self.folder('teacher', 0) / 'model.pth',
            'compress.export.initial': row.name == 'full' and seed == 0}))
        student = folder / 'student'
        self.measure(student / 'student.py', student / 'student.pth', folder)
        if (student / 'initial.pth').is_file():
            self.measure(student / 'student.py', student / 'initial.pth', self.folder('untrained', 0))
        for file in folder.glob('epoch_*.pth'):  # only the student is kept
            file.unlink()

    def finish(self) -> None:
        """Scores the controls and measures the speed of everything trained so far."""
        teacher = self.folder('teacher', 0)
        root = Path(self.args.sequences)
        dataset = SequenceFolder(root)
        sequences = [dataset.get_sequence(number) for number in range(len(dataset))]
        files = teacher / 'evidence_teacher.py', teacher / 'model.pth'
        run_controls(self.out, sequences, root, *files, self.args.device)
        trackers = dict(teacher=files)
        for row in ROWS:
            student = self.folder(row.name, 0) / 'student'
            if (student / 'student.pth').is_file():
                trackers[row.name] = student / 'student.py', student / 'student.pth'
        measure_speed(trackers, self.out, self.args.device)

    def train(self, config: str, folder: Path, options: dict) -> None:
        """Runs one training; resumes it if it was interrupted."""
        options = {**self.scale.options, 'train_dataloader.dataset.sources.0.data_root': self.pairs, **options}
        options.update(option.split('=', 1) for option in self.args.cfg_options)
        began = time.monotonic()
        self.call(folder.relative_to(self.out), '-m', 'ct_mm.train', CONFIGS / config, '--work-dir', folder, '--device',
                  self.args.device, '--resume', '--cfg-options', *(f'{key}={value}' for key, value in options.items()))
        facts = dict(options={key: str(value) for key, value in options.items()}, device=self.args.device,
                     jobs=self.args.jobs, seconds=round(time.monotonic() - began))
        write_text(folder / 'run.json', json.dumps(facts, indent=1))

    def keep_weights(self, folder: Path, config: str) -> None:
        """Keeps the weights of a plain tracker as ``model.pth`` and deletes the rest of its training."""
        last = folder / f'epoch_{EPOCHS}.pth'
        self.call(folder.relative_to(self.out), ROOT / 'tools/model_converters/publish_model.py', last,
                  folder / 'model.pth')
        last.unlink()

    def measure(self, config: Path, checkpoint: Path, out: Path) -> None:
        """Measures a tracker."""
        self.call(out.relative_to(self.out), HERE / 'measure.py', config, checkpoint, out, '--sequences',
                  self.args.sequences, '--pairs', self.validation, '--device', self.args.device)

    def folder(self, name: str, seed: int) -> Path:
        """The folder of a row."""
        return self.out / name / f'seed{seed}'

    def call(self, name: object, *command: object) -> None:
        """Runs Python with its output in a log."""
        log = self.out / 'logs' / f'{str(name).replace(os.sep, "_")}.log'
        log.parent.mkdir(parents=True, exist_ok=True)
        environment = {'OMP_NUM_THREADS': str(max((os.cpu_count() or 1) // self.args.jobs, 1)), **os.environ}
        with open(log, 'a', encoding='utf-8') as file:
            code = subprocess.run([sys.executable, *map(str, command)], stdout=file, stderr=subprocess.STDOUT, cwd=ROOT,
                                  env=environment).returncode
        if code:
            raise RuntimeError(f'{name} ended with status {code}, see {log}')

    def say(self, text: str) -> None:
        """Prints a message with the time since the start."""
        print(f'{time.monotonic() - self.started:6.0f} s  {text}', flush=True)


def main(argv: Sequence[str] | None = None) -> None:
    """Runs everything that is not done yet."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--scale', choices=SCALES, default='cpu')
    parser.add_argument('--vit', help="the pretrained ViT-S/14 with timm's parameter names")
    parser.add_argument('--sequences', default='data/sequences', help='test sequences (default: %(default)s)')
    parser.add_argument('--out', default='work_dirs/evidence', help='default: %(default)s')
    parser.add_argument('--device', default='cpu', choices=['cpu', 'cuda'])
    parser.add_argument('--jobs', type=int, default=1, help='trainings at a time (default: %(default)s)')
    parser.add_argument('--pack-workers', type=int, default=os.cpu_count())
    parser.add_argument('--rows', nargs='*', choices=[row.name for row in ROWS], help='default: all')
    parser.add_argument('--start-from', help='initial weights of the teacher: those of a tracker with any crop sizes')
    parser.add_argument('--pairs', type=int, help='another number of packed pairs')
    parser.add_argument('--teacher-pairs', type=int, help='another budget for the teacher; 0: --start-from is it')
    parser.add_argument('--student-pairs', type=int, help='another budget for the rows')
    parser.add_argument('--cfg-options', nargs='*', default=[], help='for all trainings, after those of the scale')
    parser.add_argument('--until', type=float, default=float('inf'), help='seconds after which no row is started')
    parser.add_argument('--teacher-only', action='store_true', help='stop when the teacher is trained')
    cli.add_debug(parser)
    args = parser.parse_args(argv)
    scale = SCALES[args.scale]
    args.start_from = args.start_from or scale.start
    if not (args.vit or args.start_from):
        parser.error(f'the scale {args.scale} needs --vit, the initial weights of its teacher')
    budgets = {name: getattr(args, name) for name in ('pairs', 'teacher_pairs', 'student_pairs')}
    scale = replace(scale, **{name: number for name, number in budgets.items() if number is not None})
    if scale.teacher_pairs == 0 and not args.start_from:
        parser.error('--teacher-pairs 0 uses a given teacher: name it with --start-from')
    experiment = Experiment(args, scale)
    experiment.prepare()
    experiment.say('pairs are packed')
    experiment.train_teacher()
    experiment.say('the teacher is trained')
    rows = [row for row in ROWS if args.rows is None or row.name in args.rows]
    tasks = [(row, seed) for seed in range(3) for row in rows if seed < row.seeds]
    tasks = [(row, seed) for row, seed in tasks
             if not (experiment.folder(row.name, seed) / 'results.json').is_file()]
    failures = [] if args.teacher_only else run_all(experiment, tasks)
    experiment.finish()
    if failures:
        sys.exit('\n'.join(f'error: {failure}' for failure in failures))


def run_all(experiment: Experiment, tasks: list[tuple[Row, int]]) -> list[Exception]:
    """Runs the tasks, several at a time; a failure does not stop the others."""
    failures, done = [], 0

    def work(task: tuple[Row, int]) -> None:
        nonlocal done
        row, seed = task
        if time.monotonic() - experiment.started > experiment.args.until:
            experiment.say(f'{row.name}, seed {seed}: not begun, it is late')
            return
        try:
            experiment.run_row(row, seed)
        except (OSError, RuntimeError) as error:
            failures.append(error)
            experiment.say(str(error))
            return
        done += 1
        left = (time.monotonic() - experiment.started) / done * (len(tasks) - done)
        experiment.say(f'{row.name}, seed {seed}: done, {done} of {len(tasks)}, about {left / 60:.0f} min left')

    with ThreadPoolExecutor(experiment.args.jobs) as pool:
        list(pool.map(work, tasks))
    return failures


if __name__ == '__main__':
    cli.run(main)
