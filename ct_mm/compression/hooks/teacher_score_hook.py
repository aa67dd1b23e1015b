"""Shows the teacher's validation score next to the student's."""
from __future__ import annotations

import logging

import numpy as np
import torch
from mmengine.dist import get_world_size
from mmengine.hooks import Hook
from mmengine.logging import print_log
from mmengine.runner import Runner, autocast

from ct_mm.registry import HOOKS

from ..batch import random_state_kept, run_model
from ..distillation.replacement_distiller import ReplacementDistiller

#: Key of the teacher's scores in the message hub, and so in every checkpoint.
KEPT = 'teacher_scores'


@HOOKS.register_module()
class TeacherScoreHook(Hook):
    """Validates the teacher once, and publishes its scores as ``val/teacher/NAME`` with each of the student's.

    This happens before the student's first validation, so that the student's overwrite any files of the evaluator. A
    resumed run remembers the scores.
    """

    priority = 'NORMAL'  # after the RuntimeInfoHook, which publishes the student's scores, and before the LoggerHook

    @torch.no_grad()
    def before_val(self, runner: Runner) -> None:
        """Validates the teacher, unless that was done before."""
        if KEPT in runner.message_hub.runtime_info:
            return
        distiller, loop = ReplacementDistiller.of(runner), runner.val_loop
        if distiller.block_runner.shard_teacher and get_world_size() > 1:
            # its blocks run on all processes at once, but each process has sequences of other lengths
            print_log('the teacher is not validated, because the processes share its blocks (step.shard_teacher)',
                      'current', logging.WARNING)
            runner.message_hub.update_info(KEPT, {})
            return
        print_log('validating the teacher, for comparison', 'current')
        with random_state_kept(), distiller.block_runner.teacher_precision(distiller.teacher):
            for batch in loop.dataloader:
                with autocast(enabled=True) if loop.fp16 else torch.no_grad():
                    data = distiller.data_preprocessor(batch, False)
                    outputs = run_model(distiller.teacher, data, 'predict')
                loop.evaluator.process(data_samples=outputs, data_batch=batch)
            scores = loop.evaluator.evaluate(len(loop.dataloader.dataset))
        numbers = {name: float(score) for name, score in scores.items() if isinstance(score, (int, float, np.number))}
        runner.message_hub.update_info(KEPT, numbers)

    def after_val_epoch(self, runner: Runner, metrics: dict[str, float] | None = None) -> None:
        """Publishes the teacher's scores and logs both in one line."""
        both = []
        for name, score in (runner.message_hub.get_info(KEPT) or {}).items():
            runner.message_hub.update_scalar(f'val/teacher/{name}', score)
            both += [f'{name} {metrics[name]:.4g} (teacher {score:.4g})'] if name in (metrics or {}) else []
        if both:
            print_log(f'student: {", ".join(both)}', 'current')
