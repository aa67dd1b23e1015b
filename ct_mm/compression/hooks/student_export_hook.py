"""Leaves the student in the work dir as a plain model."""
from __future__ import annotations

import copy
import logging
import os
from pathlib import Path

from mmengine.config import Config
from mmengine.dist import master_only
from mmengine.hooks import Hook
from mmengine.logging import print_log
from mmengine.model import is_model_wrapper
from mmengine.runner import Runner

from ct_mm.checkpoint import save_checkpoint
from ct_mm.registry import HOOKS

from ..replacement_distiller import ReplacementDistiller
from ..student import divided_model_config, plain_model_config, plain_state_dict


@HOOKS.register_module()
class StudentExportHook(Hook):
    """Writes ``student/student.pth`` and ``student/student.py`` after training.

    The config builds a plain model with K layers and the weights load into it strictly, as tensors
    only. Where the model's config cannot say its number of layers, the student stays a
    ``ct_mm.StageDividedBackbone`` and the log says so.

    Args:
        folder: Where to, in the work dir.
        initial: Write ``initial.pth`` too, the student as copied from the teacher, before the first step.
    """

    priority = 'LOW'

    def __init__(self, folder: str = 'student', initial: bool = False) -> None:
        self.folder, self.initial = folder, initial

    @master_only
    def before_train(self, runner: Runner) -> None:
        """Exports the copied student, unless the run was resumed and it is no longer that."""
        if self.initial and runner.iter == 0:
            self.export(runner, 'initial.pth')

    @master_only
    def after_train(self, runner: Runner) -> None:
        """Exports the trained student."""
        self.export(runner, 'student.pth')

    def export(self, runner: Runner, name: str) -> Path:
        """Writes the student as it is now.

        Args:
            runner: The runner of a compression.
            name: File name of the weights.

        Returns:
            Path of the weights.
        """
        distiller: ReplacementDistiller = runner.model.module if is_model_wrapper(runner.model) else runner.model
        folder = Path(runner.work_dir) / self.folder
        divided, model_cfg = distiller.divided, runner.cfg.model.model
        model = plain_model_config(model_cfg, distiller.stack, divided.plan)
        if model is not None:
            weights = plain_state_dict(distiller.student)
        else:
            model = divided_model_config(model_cfg, distiller.stack, divided.plan, divided.slots[0].returns)
            weights = {key: value.detach().cpu().clone() for key, value in distiller.student.state_dict().items()}
            print_log(f'the config of {model_cfg.type} has no key for its number of layers: the student is exported '
                      f'with a ct_mm.StageDividedBackbone', 'current', logging.WARNING)
        meta = dict(iter=runner.iter, stages=[list(stage) for stage in divided.plan.stages])
        save_checkpoint(dict(state_dict=weights, meta=meta), folder / name)
        _write_config(student_config(runner.cfg, model), folder / 'student.py')
        print_log(f'student saved to {folder / name}, its config to {folder / "student.py"}', 'current')
        return folder / name


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
    for key in ('compress', 'runner_type', 'work_dir', 'load_from', 'resume', 'launcher'):
        config.pop(key, None)
    # Our hooks belong to the compression (path, export, report of the run); the user's stay.
    config.custom_hooks = [hook for hook in config.get('custom_hooks') or [] if not is_ours(hook)]
    return config


def is_ours(hook: dict) -> bool:
    """Whether a hook's config names one of this package."""
    return str(hook['type']).startswith('ct_mm.')


def _write_config(config: Config, path: Path) -> None:
    temporary = path.with_name(f'.{path.name}.{os.getpid()}')
    temporary.write_text(config.pretty_text)
    os.replace(temporary, path)
