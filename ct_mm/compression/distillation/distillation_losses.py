"""The losses between student and teacher in one training step, an open set of registered classes."""
from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn

from .step_outputs import StepOutputs

#: What a loss's ``forward`` may name as further arguments, beside ``student`` and ``teacher``.
OFFERS = ('data_samples', 'path')
#: And what the mimic may name.
MIMIC_OFFERS = ('groups', 'kept', *OFFERS)


class DistillationLosses(nn.ModuleDict):
    """Calls each loss with what it compares and collects the results under their names.

    The first two arguments of a loss are the student's and the teacher's side of what it compares:

    * ``mimic``: for each stage the tokens (B, T, C). It may also name ``groups`` (for each stage the number of tokens
      of each group, or ``None``) and ``kept`` (for each stage which tokens both models still have, (B, T) bool, or
      ``None``).
    * ``guidance``: the predictions.
    * every other loss: a :class:`~ct_mm.compression.distillation.step_outputs.StepOutputs` with ``stages`` (tokens by
      group), ``tokens`` and ``predictions``.

    Each may name ``data_samples`` (the annotations of the batch) and ``path`` (for each stage whether the student ran
    it). The teacher's side has no gradient.

    A loss returns a scalar tensor, which becomes ``loss_NAME``, or a dict of tensors: those whose name contains
    ``loss`` are added to the training's loss, the others are logged.

    Args:
        losses: The losses by name.

    Raises:
        ValueError: If the ``forward`` of a loss requires an argument that is not offered.
    """

    def __init__(self, losses: Mapping[str, nn.Module]) -> None:
        super().__init__(losses)
        self._named = {name: _named_offers(name, loss) for name, loss in losses.items()}

    @property
    def need_stages(self) -> bool:
        """Whether a loss reads the ends of stages."""
        return any(name != 'guidance' for name in self)

    @property
    def need_predictions(self) -> bool:
        """Whether a loss cannot do without predictions."""
        return 'guidance' in self

    def forward(self, student: StepOutputs, teacher: StepOutputs, data_samples: Any = None,
                path: tuple[bool, ...] | None = None) -> dict[str, Tensor]:
        """Computes all losses.

        Args:
            student: What the student put out along the path.
            teacher: The same of the teacher.
            data_samples: The annotations of the batch.
            path: The path.

        Returns:
            Losses, and values for the log, by name.

        Raises:
            ValueError: If a loss returns no loss, or two results have one name.
        """
        results: dict[str, Tensor] = {}
        for name, loss in self.items():
            offers = dict(data_samples=data_samples, path=path)
            sides = student, teacher
            if name == 'mimic':
                sides = student.tokens, teacher.tokens
                offers.update(groups=[stage.groups for stage in student.stages], kept=[
                    t.kept if s.kept is None else s.kept if t.kept is None else s.kept & t.kept
                    for s, t in zip(student.stages, teacher.stages)])
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


def _named_offers(name: str, loss: nn.Module) -> list[str]:
    offered = MIMIC_OFFERS if name == 'mimic' else OFFERS
    parameters = list(inspect.signature(loss.forward).parameters.values())
    rest = [] if any(p.kind is p.VAR_POSITIONAL for p in parameters[:2]) else parameters[2:]
    unknown = [p.name for p in rest if p.name not in offered and p.default is p.empty
               and p.kind not in (p.VAR_KEYWORD, p.VAR_POSITIONAL)]
    if len(parameters) < 2 and not any(p.kind is p.VAR_POSITIONAL for p in parameters) or unknown:
        raise ValueError(f'compress.losses.{name}: {type(loss).__name__}.forward{inspect.signature(loss.forward)} must '
                         f'take student, teacher and, if it wants, {", ".join(offered)}'
                         f'{"; it requires " + ", ".join(unknown) if unknown else ""}')
    if any(p.kind is p.VAR_KEYWORD for p in rest):
        return list(offered)
    return [p.name for p in rest if p.name in offered]
