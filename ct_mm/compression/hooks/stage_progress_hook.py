"""Shows how the stages of the student come along, while it trains and in a picture at the end."""
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

from .distiller_of import distiller_of
from .training_picture import draw_training


@HOOKS.register_module()
class StageProgressHook(Hook):
    """Publishes, for each stage i, how often the student ran it and how far its tokens are from the teacher's.

    ``train/student_stage_i`` is the part of the last ``interval`` iterations in which the path gave the stage to the
    student, ``train/mimic_stage_i`` the mean of its mimic error in them. Both go through the message hub, and so into
    the log and whatever the visualizer writes to. They are taken together, because the hub copies the whole history of
    a value for each entry, and because reading a value makes a GPU wait.

    After training a picture shows the losses, the mimic errors, the replacement rate and the score of the validation.

    Args:
        interval: Iterations from one entry to the next.
        picture: Name of the picture in the work dir; ``None`` draws none.
    """

    priority = 'NORMAL'  # before the LoggerHook

    def __init__(self, interval: int = 50, picture: str | None = 'training.png') -> None:
        if interval < 1:
            raise ValueError(f'compress.progress: interval={interval} must be at least 1')
        self.interval, self.picture = interval, picture
        self._paths: list[tuple[bool, ...]] = []
        self._errors: list[Tensor] = []

    @master_only
    def before_train(self, runner: Runner) -> None:
        """Removes what a killed process left of the picture."""
        if self.picture is not None:
            remove_unfinished(Path(runner.work_dir), self.picture)

    def after_train_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: Any = None) -> None:
        """Takes note of this iteration; publishes if the interval is over."""
        distiller = distiller_of(runner)
        self._paths.append(distiller.path)
        errors = getattr(distiller.losses['mimic'], 'stage_errors', None) if 'mimic' in distiller.losses else None
        if errors is not None:
            self._errors.append(errors)
        if (runner.iter + 1) % self.interval == 0 or runner.iter + 1 == runner.max_iters:
            self._publish(runner)

    def _publish(self, runner: Runner) -> None:
        values = {'student': torch.tensor(self._paths, dtype=torch.float32)}  # (iterations, K)
        if self._errors:
            errors = torch.stack(self._errors)
            values['mimic'] = errors.where(errors.isfinite(), torch.nan)  # a step that was skipped
        for name, value in values.items():
            for stage, mean in enumerate(value.nanmean(0).tolist()):
                runner.message_hub.update_scalar(f'train/{name}_stage_{stage}', mean)
        self._paths, self._errors = [], []

    @master_only
    def after_train(self, runner: Runner) -> None:
        """Draws the picture."""
        if self.picture is None:
            return
        histories = {name: buffer.data for name, buffer in runner.message_hub.log_scalars.items()}
        path = Path(runner.work_dir) / self.picture
        with whole_file(path) as unfinished:
            draw_training(histories, runner.iter).savefig(unfinished, format='png')
        print_log(f'training drawn in {path}', 'current')
