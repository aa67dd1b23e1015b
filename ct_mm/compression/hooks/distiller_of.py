"""Gets at the distiller of a run."""
from __future__ import annotations

from mmengine.model import is_model_wrapper
from mmengine.runner import Runner

from ..distillation.replacement_distiller import ReplacementDistiller


def distiller_of(runner: Runner) -> ReplacementDistiller:
    """The model of a compression, without the wrapper of distributed training.

    Args:
        runner: Its runner.

    Returns:
        The distiller.

    Raises:
        TypeError: If the model is something else.
    """
    model = runner.model.module if is_model_wrapper(runner.model) else runner.model
    if not isinstance(model, ReplacementDistiller):
        raise TypeError(f'this hook needs the model of a compression, but the model is a {type(model).__name__}; '
                        'inherit ct_mm::_base_/compress.py or write '
                        "model = dict(type='ct_mm.ReplacementDistiller', ...)")
    return model
