"""Shows the teacher's validation score beside the student's."""
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
from .distiller_of import distiller_of

#: Where the message hub, and with it every checkpoint, keeps what the teacher scored.
KEPT = 'teacher_scores'


@HOOKS.register_module()
class TeacherScoreHook(Hook):
    """Validates the teacher once, and publishes its scores as ``val/teacher/NAME`` with each of the student's.

    It comes before the student's first validation, so that files which an evaluator writes are the student's in the
    end. A resumed run remembers the scores.
    """

    priority = 'NORMAL'  # after the RuntimeInfoHook, which publishes the student's scores, and before the LoggerHook

    @torch.no_grad()
    def before_val(self, runner: Runner) -> None:
        """Validates the teacher, if that was not done."""
        if KEPT in runner.message_hub.runtime_info:
            return
        if distiller_of(runner).block_runner.shard_teacher and get_world_size() > 1:
            # its blocks run on all processes at once, but these have sequences of other lengths each
            print_log('the teacher is not validated, because the processes share its blocks (step.shard_teacher)',
                      'current', logging.WARNING)
            runner.message_hub.update_info(KEPT, {})
            return
        print_log('the teacher is validated, for comparison', 'current')
        distiller, loop = distiller_of(runner), runner.val_loop
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
        """Publishes both and says them in one line."""
        teacher = runner.message_hub.get_info(KEPT)
        if not teacher:
            return
        for name, score in teacher.items():
            runner.message_hub.update_scalar(f'val/teacher/{name}', score)
        both = [f'{name} {metrics[name]:.4g} (teacher {score:.4g})' for name, score in teacher.items()
                if name in (metrics or {})]
        print_log(f'student: {", ".join(both)}', 'current')
