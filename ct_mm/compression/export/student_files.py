"""Writes the exported student: its weights, and a config that does not refer to the compression."""
from __future__ import annotations

import copy
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mmengine.config import Config

from ct_mm.engine.checkpoints.writing import save_checkpoint
from ct_mm.engine.guard_training import unguard_training
from ct_mm.engine.whole_file import whole_file, write_text

from .student import ExportedStudent


def student_run_config(cfg: Config, model: Mapping) -> Config:
    """Turns the config of a compression run into that of its student.

    Args:
        cfg: Config of the compression run.
        model: Config of the student model.

    Returns:
        A new config without ``compress``, this package's hooks and guards, and the settings of this one run.
    """
    config = copy.deepcopy(cfg)
    config.model = model
    for key in ('compress', 'runner_type', 'work_dir', 'load_from', 'start_from', 'resume', 'launcher'):
        config.pop(key, None)
    # The hooks of this package belong to the compression (path, export, report of the run); the user's stay.
    config.custom_hooks = [hook for hook in config.get('custom_hooks') or []
                           if not str(hook['type']).startswith('ct_mm.')]
    return unguard_training(config)


def save_student(student: ExportedStudent, cfg: Config, weights: Path, meta: Mapping[str, Any]) -> Path:
    """Writes weights and config, each atomically.

    Args:
        student: The student.
        cfg: Config of the compression run.
        weights: File of the weights; ``.safetensors`` holds only the weights and ``meta`` as text, every other suffix
            is a checkpoint with ``state_dict`` and ``meta``.
        meta: Facts about the run to store with the weights.

    Returns:
        The file of the config, ``student.py`` in the same folder.

    Raises:
        ImportError: If the file is to be a ``.safetensors`` and that package is not installed.
    """
    if weights.suffix == '.safetensors':
        from safetensors.torch import save_file
        with whole_file(weights, durable=True) as unfinished:
            save_file({name: value.contiguous() for name, value in student.weights.items()}, unfinished,
                      {key: str(value) for key, value in meta.items()})
    else:
        save_checkpoint(dict(state_dict=student.weights, meta=dict(meta)), weights)
    return write_text(weights.with_name('student.py'), student_run_config(cfg, student.config).pretty_text,
                      durable=True)
