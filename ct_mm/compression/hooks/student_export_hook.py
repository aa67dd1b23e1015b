"""Leaves the student in the work dir as a plain model."""
from __future__ import annotations

import copy
import logging
import random
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import torch
from mmengine.config import Config
from mmengine.dist import master_only
from mmengine.hooks import EMAHook, Hook
from mmengine.logging import print_log
from mmengine.runner import Runner

from ct_mm.engine.checkpoints.writing import save_checkpoint
from ct_mm.engine.whole_file import remove_unfinished, write_text
from ct_mm.registry import HOOKS

from ..export import export_student
from ..replacement_distiller import ReplacementDistiller
from .distiller_of import distiller_of


@HOOKS.register_module()
class StudentExportHook(Hook):
    """Writes ``student/student.pth`` and ``student/student.py`` after training.

    The config builds a plain model with K layers and the weights load into it strictly, as tensors
    only. Where a plain model would not be the student (its config cannot say the number of layers, or what a layer does
    depends on its place), the student stays a ``ct_mm.StageDividedBackbone`` and the log says why, see
    :func:`~ct_mm.compression.export.export_student`.

    Args:
        folder: Where to, in the work dir.
        initial: Write ``initial.pth`` too, the student as copied from the teacher, before the first step.
    """

    priority = 'LOW'

    def __init__(self, folder: str = 'student', initial: bool = False) -> None:
        self.folder, self.initial = folder, initial

    @master_only
    def before_train(self, runner: Runner) -> None:
        """Exports the copied student, to be kept or not: what cannot be exported is to fail before the training.

        What a killed process left unfinished of an export is removed.
        """
        remove_unfinished(Path(runner.work_dir) / self.folder, '*.pth', 'student.py')
        if runner.iter == 0:
            self.export(runner, 'initial.pth' if self.initial else None)

    @master_only
    def after_train(self, runner: Runner) -> None:
        """Exports the trained student: the averaged one, where MMEngine's ``EMAHook`` keeps an average."""
        averages = [hook for hook in runner.hooks if isinstance(hook, EMAHook)]
        for hook in averages:  # swaps the two, as it does around a test
            hook.before_test_epoch(runner)
        try:
            self.export(runner, 'student.pth')
        finally:
            for hook in averages:
                hook.after_test_epoch(runner)

    def export(self, runner: Runner, name: str | None) -> Path | None:
        """Writes the student as it is now.

        Args:
            runner: The runner of a compression.
            name: File name of the weights; ``None`` only makes sure that it can be done.

        Returns:
            Path of the weights.
        """
        distiller = distiller_of(runner)
        with random_state_kept():
            student = export_student(distiller, runner.cfg.model.model, self._batch(runner, distiller))
        if student.form != 'plain':
            print_log(f'the student is no plain {runner.cfg.model.model.type} and is exported with a '
                      f'ct_mm.StageDividedBackbone: {student.reason}', 'current', logging.WARNING)
        if name is None:
            return None
        folder = Path(runner.work_dir) / self.folder
        stages = [list(stage) for stack in distiller.stacks.values() for stage in stack.plan.stages]
        save_checkpoint(dict(state_dict=student.weights, meta=dict(iter=runner.iter, stages=stages)), folder / name)
        write_text(folder / 'student.py', student_config(runner.cfg, student.config).pretty_text, durable=True)
        print_log(f'student saved to {folder / name}, its config to {folder / "student.py"}', 'current')
        return folder / name

    @staticmethod
    def _batch(runner: Runner, distiller: ReplacementDistiller) -> dict | None:
        """A little training data to compare on, as the model sees it."""
        loader = runner.train_dataloader
        if not hasattr(loader.dataset, '__getitem__'):
            print_log('the training data cannot be read by index: the exported student is compared with the trained '
                      'one without running them', 'current', logging.WARNING)
            return None
        data = loader.collate_fn([loader.dataset[index] for index in range(min(2, len(loader.dataset)))])
        return distiller.data_preprocessor(data, False)


def student_config(cfg: Config, model: dict) -> Config:
    """The config of the plain student: the compression's config without anything of compression.

    Args:
        cfg: Config of the compression run.
        model: Config of the student model.

    Returns:
        A new config.
    """
    config = copy.deepcopy(cfg)
    config.model = model
    for key in ('compress', 'runner_type', 'work_dir', 'load_from', 'start_from', 'resume', 'launcher'):
        config.pop(key, None)
    # Our hooks belong to the compression (path, export, report of the run); the user's stay.
    config.custom_hooks = [hook for hook in config.get('custom_hooks') or [] if not is_ours(hook)]
    return config


def is_ours(hook: dict) -> bool:
    """Whether a hook's config names one of this package."""
    return str(hook['type']).startswith('ct_mm.')


@contextmanager
def random_state_kept() -> Iterator[None]:
    """Reading data and building models draw random numbers; those of the training are not to depend on it."""
    states = random.getstate(), np.random.get_state()
    with torch.random.fork_rng(devices=[]):
        try:
            yield
        finally:
            random.setstate(states[0])
            np.random.set_state(states[1])
