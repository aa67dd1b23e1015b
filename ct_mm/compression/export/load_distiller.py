"""Reads a trained student back into its distiller."""
from __future__ import annotations

import os

from mmengine.config import Config

from ct_mm.engine.checkpoints.misfit import find_misfit
from ct_mm.engine.checkpoints.reading import weights_in
from ct_mm.registry import MODELS

from ..distillation.replacement_distiller import ReplacementDistiller
from ..division.tensor_names import plain_name


def load_distiller(cfg: Config, checkpoint: str | os.PathLike, content: dict,
                   teacher: bool = False) -> ReplacementDistiller:
    """Builds the distiller of a config and gives its student the weights of a checkpoint.

    Args:
        cfg: Config of the compression, as :func:`ct_mm.compress` returns it.
        checkpoint: A checkpoint of its training, or the student that was exported from it as a plain model.
        content: What it holds.
        teacher: Whether to read the teacher, which no checkpoint holds, from its file. The export of the student does
            without; a hybrid needs it.

    Returns:
        The distiller, on the CPU.

    Raises:
        FileNotFoundError: If the teacher's file does not exist.
        ValueError: If the checkpoint does not fit the student, or the teacher is not the one of its training.
    """
    state = weights_in(content, checkpoint)
    distiller = MODELS.build(dict(cfg.model, step=None))
    if teacher:
        distiller.init_weights()
        facts = (content.get('meta') or {}).get('facts')
        for name, value in distiller.resume_facts().items():
            known = (facts or {}).get(name, value)
            if known != value:
                raise ValueError(
                    f'checkpoint {checkpoint} was trained with another teacher than {distiller.teacher_file}: '
                    f'{name}: SHA-256 {known[:12]}... there, {value[:12]}... here; set compress.teacher to its file')
    own = distiller.student.state_dict()
    exported = {plain_name(distiller.student, name): name for name in own}
    if state.keys() == exported.keys():
        weights = {exported[name]: value for name, value in state.items()}
    else:
        prefix = 'student.'
        weights = {name.removeprefix(prefix): value for name, value in state.items() if name.startswith(prefix)}
    misfit = find_misfit(own, weights)
    if misfit:
        raise ValueError(f'checkpoint {checkpoint} does not fit the student of {cfg.filename}: {misfit}')
    distiller.student.load_state_dict(weights)
    return distiller
