"""Builds the loss between the predictions of student and teacher."""
from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import nn

from ct_mm.registry import MODELS


def build_guidance(student: nn.Module, guidance: dict, predictions: str | Sequence[str]) -> nn.Module:
    """Builds the guidance, with the losses that the model offers for its predictions where it asks for them.

    Args:
        student: The model.
        guidance: Config of the loss.
        predictions: Dotted path of the module whose output are the predictions, or several.

    Returns:
        The loss.

    Raises:
        ValueError: If there is no such module, or it offers no losses and the guidance names none. The message shows
            what to write.
    """
    paths = path_list(predictions)
    for path in paths:
        try:
            if not path:
                raise AttributeError('the model itself')
            student.get_submodule(path)
        except AttributeError as error:
            children = ', '.join(name for name, _ in student.named_children()) or 'none'
            raise ValueError(f'predictions={predictions!r}: {type(student).__name__} has no such module (its modules: '
                             f'{children}); {_way_out(path)}') from error
    if guidance.get('losses') is None and str(guidance['type']).endswith('PredictionGuidanceLoss'):
        module = student.get_submodule(paths[0])
        if len(paths) > 1 or not hasattr(module, 'guidance_losses'):
            raise ValueError(f'predictions={predictions!r}: {type(module).__name__} does not say by which losses its '
                             f'predictions can be compared (it has no method guidance_losses); {_way_out(paths[0])}')
        guidance = dict(guidance, losses=module.guidance_losses())
    return MODELS.build(guidance)


def path_list(predictions: str | Sequence[str]) -> list[str]:
    """The paths of the modules whose output are the predictions."""
    return [predictions] if isinstance(predictions, str) else list(predictions)


def read_predictions(predictions: str | Sequence[str], outputs: Sequence[Any], mode: str) -> Any:
    """What the modules that hold the predictions put out.

    Args:
        predictions: The path of one module, or of several.
        outputs: Their outputs, ``None`` for one that did not run.
        mode: The mode in which the model ran, for the error.

    Returns:
        The output, or a list of outputs.

    Raises:
        RuntimeError: If a module did not run.
    """
    for path, output in zip(path_list(predictions), outputs):
        if output is None:
            raise RuntimeError(f'predictions={predictions!r}: {path} is not called as a module when the model runs in '
                               f'mode {mode!r} (a call of its forward() is not seen); name a module inside it')
    return outputs[0] if isinstance(predictions, str) else list(outputs)


def _way_out(path: str) -> str:
    return ('name a module whose output holds the predictions and the loss for it, for example\n'
            f"    predictions={path or 'head'!r}, guidance=dict(type='ct_mm.OutputGuidanceLoss', loss='kl')\n"
            "in compress ('l1' and 'mse' are losses too, one for each output in a dict or list), or set guidance=None")
