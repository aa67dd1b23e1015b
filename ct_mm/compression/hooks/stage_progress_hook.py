"""Shows the progress of each stage, during training and in a picture at the end."""
from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from mmengine.dist import master_only
from mmengine.hooks import Hook
from mmengine.logging import print_log
from mmengine.runner import Runner
from torch import Tensor

from ct_mm.engine.whole_file import remove_unfinished, whole_file
from ct_mm.registry import HOOKS

from ..distillation.replacement_distiller import ReplacementDistiller
from .training_picture import draw_training


@HOOKS.register_module()
class StageProgressHook(Hook):
    """Publishes, for each stage i, how often the student ran it and how far its tokens are from the teacher's.

    ``train/student_stage_i`` is the share of the last ``interval`` iterations in which the path gave the stage to the
    student, and ``train/mimic_stage_i`` is its mean mimic error in them. Both reach the log and the visualizer through
    the message hub. They are published once an interval, because the hub copies the whole history of a value for each
    entry, and because reading a value synchronises with the GPU.

    After training, a picture shows the losses, the mimic errors, the replacement rate and the validation score.

    Args:
        interval: Iterations from one entry to the next.
        picture: Name of the picture in the work dir; ``None`` draws none.
    """

    priority = 'NORMAL'  # before the LoggerHook

    def __init__(self, interval: int = 50, picture: str | None = 'training.png') -> None:
        if interval < 1:
            raise ValueError(f'compress.progress: interval={interval} must be at least 1')
        self.interval, self.picture = interval, picture
        self._values: dict[str, list[Tensor]] = {}

    @master_only
    def before_train(self, runner: Runner) -> None:
        """Removes an unfinished picture of a killed process."""
        if self.picture is not None:
            remove_unfinished(Path(runner.work_dir), self.picture)

    def after_train_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: Any = None) -> None:
        """Records this iteration, and publishes at the end of an interval."""
        distiller = ReplacementDistiller.of(runner)
        self._values.setdefault('student', []).append(torch.tensor(distiller.path, dtype=torch.float32))
        errors = getattr(distiller.losses['mimic'], 'stage_errors', None) if 'mimic' in distiller.losses else None
        if errors is not None:
            self._values.setdefault('mimic', []).append(errors)
        if (runner.iter + 1) % self.interval and runner.iter + 1 != runner.max_iters:
            return
        for name, values in self._values.items():
            values = torch.stack(values)  # (iterations, K)
            values = values.where(values.isfinite(), torch.nan)  # ignores the errors of a skipped step
            for stage, mean in enumerate(values.nanmean(0).tolist()):
                runner.message_hub.update_scalar(f'train/{name}_stage_{stage}', mean)
        self._values.clear()

    @master_only
    def after_train(self, runner: Runner) -> None:
        """Draws the picture."""
        if self.picture is not None:
            histories = {name: buffer.data for name, buffer in runner.message_hub.log_scalars.items()}
            path = Path(runner.work_dir) / self.picture
            with whole_file(path) as unfinished:
                draw_training(histories, runner.iter).savefig(unfinished, format='png')
            print_log(f'training drawn in {path}', 'current')
