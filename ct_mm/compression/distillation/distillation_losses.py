"""The losses between student and teacher in one training step, an open set of registered classes."""
from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor, nn

from ct_mm.registry import MODELS

from .step_outputs import StepOutputs, find_predictions, path_list, way_out

#: Further arguments that the ``forward`` of a loss may name, besides ``student`` and ``teacher``.
OFFERS = ('data_samples', 'path')
#: Further arguments of the mimic.
MIMIC_OFFERS = ('groups', 'kept', *OFFERS)


class DistillationLosses(nn.ModuleDict):
    """Calls each loss with what it compares and collects the results under the names of the losses.

    The first two arguments of a loss are what it compares, of the student and of the teacher:

    * ``mimic``: the tokens (B, T, C) of each stage. It may also name ``groups`` (for each stage the number of tokens of
      each group, or ``None``) and ``kept`` (for each stage which tokens both models still have, (B, T) bool, or
      ``None``).
    * ``guidance``: the predictions.
    * every other loss: a :class:`~ct_mm.compression.distillation.step_outputs.StepOutputs` with ``stages`` (tokens by
      group), ``tokens`` and ``predictions``.

    Each may also name ``data_samples`` (the annotations of the batch) and ``path`` (for each stage whether the student
    ran it). The teacher's outputs have no gradient.

    A loss returns a scalar tensor, which becomes ``loss_NAME``, or a dict of tensors: those whose name contains
    ``loss`` are added to the training's loss, the others are only logged.

    Args:
        losses: The losses by name.

    Raises:
        ValueError: If the ``forward`` of a loss requires an argument that is not offered.

    Examples:
        >>> losses = DistillationLosses(dict(guidance=nn.MSELoss()))
        >>> import torch
        >>> student, teacher = (StepOutputs([], torch.full((2, ), value)) for value in (1.0, 3.0))
        >>> losses(student, teacher)
        {'loss_guidance': tensor(4.)}
    """

    def __init__(self, losses: Mapping[str, nn.Module]) -> None:
        super().__init__(losses)
        self._named = {name: _named_offers(name, loss) for name, loss in losses.items()}

    def forward(self, student: StepOutputs, teacher: StepOutputs, data_samples: Any = None,
                path: tuple[bool, ...] | None = None) -> dict[str, Tensor]:
        """Computes all losses.

        Args:
            student: What the student put out along the path.
            teacher: What the teacher put out.
            data_samples: The annotations of the batch.
            path: The path.

        Returns:
            Losses, and values for the log, by name.

        Raises:
            ValueError: If a loss returns no loss, or two results have the same name.
        """
        results: dict[str, Tensor] = {}
        for name, loss in self.items():
            offers = dict(data_samples=data_samples, path=path)
            sides = student, teacher
            if name == 'mimic':
                sides = student.tokens, teacher.tokens
                offers['groups'] = [stage.groups for stage in student.stages]
                offers['kept'] = [t.kept if s.kept is None else s.kept if t.kept is None else s.kept & t.kept
                                  for s, t in zip(student.stages, teacher.stages)]
            elif name == 'guidance':
                sides = student.predictions, teacher.predictions
            result = loss(*sides, **{key: offers[key] for key in self._named[name]})
            if isinstance(result, Tensor):
                result = {f'loss_{name}': result}
            if not any('loss' in key for key in result) or result.keys() & results.keys():
                raise ValueError(f'compress.losses.{name}: {type(loss).__name__} returned {", ".join(result)}; it must '
                                 f'return a tensor or a dict with a key that contains "loss", and no key of another')
            results.update(result)
        return results


def build_guidance(student: nn.Module, guidance: dict, predictions: str | Sequence[str]) -> nn.Module:
    """Builds the guidance, with the losses that the model offers for its predictions if the guidance needs them.

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
                             f'{way_out(path_list(predictions)[0])}')
        guidance = dict(guidance, losses=modules[0].guidance_losses())
    return MODELS.build(guidance)


def _named_offers(name: str, loss: nn.Module) -> list[str]:
    """Returns the further arguments that a loss names; raises a ValueError if it cannot be called with these."""
    offered = MIMIC_OFFERS if name == 'mimic' else OFFERS
    signature = inspect.signature(loss.forward)
    takes_all = any(parameter.kind is parameter.VAR_KEYWORD for parameter in signature.parameters.values())
    named = [key for key in offered if takes_all or key in signature.parameters]
    try:
        signature.bind(None, None, **dict.fromkeys(named))
    except TypeError as error:
        raise ValueError(f'compress.losses.{name}: {type(loss).__name__}.forward{signature} must take student, teacher '
                         f'and, if it wants, {", ".join(offered)}: {error}') from error
    return named
