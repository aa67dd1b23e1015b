"""Finds the predictions of a model, and builds the loss between those of student and teacher."""
from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import nn

from ct_mm.registry import MODELS

from .taps import join_calls


def build_guidance(student: nn.Module, guidance: dict, predictions: str | Sequence[str]) -> nn.Module:
    """Builds the guidance, with the losses that the model offers for its predictions where the guidance needs them.

    Args:
        student: The model.
        guidance: Config of the loss.
        predictions: Dotted path of the module whose output holds the predictions, or several paths.

    Returns:
        The loss.

    Raises:
        ValueError: If there is no such module, or it offers no losses and the guidance names none. The message shows
            what to write.
    """
    modules = find_predictions(student, predictions)
    if guidance.get('losses') is None and str(guidance['type']).endswith('PredictionGuidanceLoss'):
        if len(modules) > 1 or not hasattr(modules[0], 'guidance_losses'):
            raise ValueError(f'predictions={predictions!r}: {type(modules[0]).__name__} does not say by which losses '
                             f'its predictions can be compared (it has no method guidance_losses); '
                             f'{_way_out(path_list(predictions)[0])}')
        guidance = dict(guidance, losses=modules[0].guidance_losses())
    return MODELS.build(guidance)


def path_list(predictions: str | Sequence[str]) -> list[str]:
    """The paths of the modules whose outputs are the predictions."""
    return [predictions] if isinstance(predictions, str) else list(predictions)


def find_predictions(model: nn.Module, predictions: str | Sequence[str]) -> list[nn.Module]:
    """The modules whose outputs are the predictions; raises a ValueError if the model lacks one."""
    modules = []
    for path in path_list(predictions):
        try:
            if not path:
                raise AttributeError('the model itself')
            modules.append(model.get_submodule(path))
        except AttributeError as error:
            children = ', '.join(name for name, _ in model.named_children()) or 'none'
            raise ValueError(f'predictions={predictions!r}: {type(model).__name__} has no such module (its modules: '
                             f'{children}); {_way_out(path)}') from error
    return modules


def read_predictions(predictions: str | Sequence[str], calls: Sequence[Sequence[Any]], mode: str) -> Any:
    """Reads the outputs of the modules that hold the predictions.

    Args:
        predictions: The path of one module, or of several.
        calls: For each module the outputs of its calls.
        mode: The mode in which the model ran, for the error.

    Returns:
        The output, or a list with one for each module. Several calls of a module in one step are joined along the
        batch; where their shapes differ they are a list with one output for each call.

    Raises:
        RuntimeError: If a module did not run.
    """
    for path, outputs in zip(path_list(predictions), calls):
        if not outputs:
            raise RuntimeError(f'predictions={predictions!r}: {path} is not called as a module when the model runs in '
                               f'mode {mode!r} (a call of its forward() is not seen); name a module inside it')
    read = [join_calls(outputs) for outputs in calls]
    return read[0] if isinstance(predictions, str) else read


def match_calls(student: Sequence[list[Any]], teacher: Sequence[list[Any]]) -> tuple[list[list[Any]], list[list[Any]]]:
    """Takes the last call of a module that ran another number of times in the student than in the teacher.

    A head that predicts after every layer runs K times in the student and N times in the teacher; what both predict in
    the end can be compared.
    """
    matched = [(s, t) if len(s) == len(t) else (s[-1:], t[-1:]) for s, t in zip(student, teacher)]
    return [s for s, _ in matched], [t for _, t in matched]


def _way_out(path: str) -> str:
    return ('name a module whose output holds the predictions and the loss for it, for example\n'
            f"    predictions={path or 'head'!r}, guidance=dict(type='ct_mm.OutputGuidanceLoss', loss='kl')\n"
            "in compress ('l1' and 'mse' are losses too, one for each output in a dict or list), or set guidance=None")
