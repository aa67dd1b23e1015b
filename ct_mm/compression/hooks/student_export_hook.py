"""Writes the student to the work dir as a plain model."""
from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mmengine.dist import master_only
from mmengine.hooks import CheckpointHook, EMAHook, Hook
from mmengine.logging import print_log
from mmengine.runner import Runner

from ct_mm.engine.checkpoints.reading import bytes_of_model, read_state_dict
from ct_mm.engine.whole_file import check_writable, remove_unfinished
from ct_mm.registry import HOOKS

from ..batch import random_state_kept, training_batch
from ..distillation.replacement_distiller import ReplacementDistiller
from ..export.student import export_student, save_student


@HOOKS.register_module()
class StudentExportHook(Hook):
    """Writes ``student/student.pth`` and ``student/student.py`` after training.

    The config builds a plain model with K layers, and the weights, tensors only, load into it strictly. If a plain
    model would differ from the student (its config cannot express the number of layers, or what a layer does depends on
    its place), the student stays a ``ct_mm.StageDividedBackbone``, and the log says why, see
    :func:`~ct_mm.compression.export.student.export_student`.

    The exported weights are those of the best checkpoint if ``save_best`` is on, else the averages of MMEngine's
    ``EMAHook`` if it is in use, else the last ones.

    Args:
        folder: Folder in the work dir.
        initial: Also write ``initial.pth``, the student as copied from the teacher, before the first step.
    """

    priority = 'LOW'

    def __init__(self, folder: str = 'student', initial: bool = False) -> None:
        self.folder, self.initial = folder, initial

    @master_only
    def before_train(self, runner: Runner) -> None:
        """Exports the copied student, even if it is not to be stored, so that an export that fails does so early.

        Removes the unfinished files of a killed process.

        Raises:
            OSError: If a file of the export cannot be written.
        """
        folder = Path(runner.work_dir) / self.folder
        remove_unfinished(folder, '*.pth', 'student.py')
        for name in ('student.pth', 'student.py', *['initial.pth'] * self.initial):
            check_writable(folder / name)
        if runner.iter == 0:
            self.export(runner, 'initial.pth' if self.initial else None)

    @master_only
    def after_train(self, runner: Runner) -> None:
        """Exports the trained student."""
        with _weights_to_export(runner):
            self.export(runner, 'student.pth')

    def export(self, runner: Runner, name: str | None) -> Path | None:
        """Writes the student as it is now.

        Args:
            runner: The runner of a compression.
            name: File name of the weights; ``None`` writes nothing and only verifies that the export works.

        Returns:
            Path of the weights.
        """
        distiller = ReplacementDistiller.of(runner)
        with random_state_kept():
            batch = training_batch(runner.train_dataloader, distiller.data_preprocessor)
            student = export_student(distiller, runner.cfg.model.model, batch)
        if student.form != 'plain':
            print_log(f'the student cannot be exported as a plain {runner.cfg.model.model.type}; it is wrapped in '
                      f'ct_mm.StageDividedBackbone because {student.reason}', 'current', logging.WARNING)
        if name is None:
            return None
        path = Path(runner.work_dir) / self.folder / name
        config = save_student(student, runner.cfg, path, runner.iter)
        print_log(f'student saved to {path}, its config to {config}', 'current')
        return path


@contextmanager
def _weights_to_export(runner: Runner) -> Iterator[None]:
    """Puts the best weights, or else the averaged ones, into the model for as long as the context lasts."""
    model = ReplacementDistiller.of(runner)
    bests = [path for hook in runner.hooks if isinstance(hook, CheckpointHook) and hook.save_best
             for path in (getattr(hook, 'best_ckpt_path', None), *getattr(hook, 'best_ckpt_path_dict', {}).values())]
    best = next(filter(None, bests), None)  # by the first key of save_best
    averages = [hook for hook in runner.hooks if isinstance(hook, EMAHook) and best is None]
    last = {name: value.clone() for name, value in model.state_dict().items()} if best else {}
    if best:
        model.load_state_dict(read_state_dict(best, model_bytes=bytes_of_model(model)))
        print_log(f'exporting the best checkpoint, {best}', 'current')
    for hook in averages:  # swaps average and weights, as it does around a test
        hook.before_test_epoch(runner)
    try:
        yield
    finally:
        for hook in averages:  # swaps back; after_test_epoch of mmpretrain's hook would test the last weights, too
            hook.before_test_epoch(runner)
        if best:
            model.load_state_dict(last)
