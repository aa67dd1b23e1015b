"""Writes the exported student: its weights and a config that builds it without anything of the compression."""
from __future__ import annotations

import copy
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mmengine.config import Config

from ct_mm.engine.checkpoints.writing import save_checkpoint
from ct_mm.engine.guard_training import unguard_training
from ct_mm.engine.whole_file import full_disk_explained, whole_file, write_text

from .student import ExportedStudent


def student_run_config(cfg: Config, model: Mapping) -> Config:
    """The config of the plain student: the compression's config without anything of the compression.

    Args:
        cfg: Config of the compression run.
        model: Config of the student model.

    Returns:
        A new config, with MMEngine's own loops and checkpoint hook.
    """
    config = copy.deepcopy(cfg)
    config.model = model
    for key in ('compress', 'runner_type', 'work_dir', 'load_from', 'start_from', 'resume', 'launcher'):
        config.pop(key, None)
    # Our hooks belong to the compression (path, export, report of the run); the user's stay.
    config.custom_hooks = [hook for hook in config.get('custom_hooks') or [] if not is_ours(hook)]
    return unguard_training(config)


def is_ours(hook: Mapping) -> bool:
    """Whether a hook's config names one of this package."""
    return str(hook['type']).startswith('ct_mm.')


def save_student(student: ExportedStudent, cfg: Config, weights: Path, meta: Mapping[str, Any]) -> Path:
    """Writes weights and config, each whole or not at all.

    Args:
        student: The student.
        cfg: Config of the compression run.
        weights: File of the weights; ``.safetensors`` holds them alone, every other suffix is a checkpoint with
            ``state_dict`` and ``meta``.
        meta: What to keep beside the weights.

    Returns:
        The file of the config, ``student.py`` in the same folder.

    Raises:
        ImportError: If the package safetensors is missing for a file of that kind.
        OSError: If the disk is full; the message says what to do.
    """
    size = sum(value.numel() * value.element_size() for value in student.weights.values())
    with full_disk_explained(weights, size):
        if weights.suffix == '.safetensors':
            from safetensors.torch import save_file
            with whole_file(weights, durable=True) as unfinished:
                save_file({name: value.contiguous() for name, value in student.weights.items()}, unfinished,
                          {key: str(value) for key, value in meta.items()})
        else:
            save_checkpoint(dict(state_dict=student.weights, meta=dict(meta)), weights)
        return write_text(weights.with_name('student.py'), student_run_config(cfg, student.config).pretty_text,
                          durable=True)
