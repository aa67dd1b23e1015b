"""What a model puts out in one step: the tokens at the ends of its stages, and its predictions."""
from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from .taps import first_tensor

#: Number of tokens of each group, in order, such as ``dict(template=64, search=256)``.
Groups = dict[str, int]


@dataclass(frozen=True)
class StageTokens:
    """The tokens at the end of one stage.

    Args:
        tokens: (B, T, C), of all calls in this step.
        groups: Number of tokens of each group; ``None`` is one group.
        kept: Which tokens the model still has (B, T) bool, where it drops some; ``None`` is all.
    """

    tokens: Tensor
    groups: Groups | None = None
    kept: Tensor | None = None

    def by_group(self) -> dict[str, Tensor]:
        """The tokens of each group by its name, (B, Tg, C) each; ``tokens`` if there is one group."""
        if self.groups is None:
            return dict(tokens=self.tokens)
        return dict(zip(self.groups, self.tokens.split(list(self.groups.values()), dim=1)))


@dataclass(frozen=True)
class StepOutputs:
    """What student or teacher put out in one step.

    Args:
        stages: The tokens at the end of each stage.
        predictions: Output of the module that ``compress.predictions`` names, or a list for a list of names; ``None``
            if the model has no such module.
    """

    stages: list[StageTokens]
    predictions: Any = None

    @property
    def tokens(self) -> list[Tensor]:
        """For each stage its tokens (B, T, C)."""
        return [stage.tokens for stage in self.stages]


def read_stages(owners: Sequence[nn.Module], calls: Sequence[Sequence[Any]]) -> list[StageTokens]:
    """Finds the tokens in what the last block of each stage returned.

    A backbone whose blocks drop tokens has a method ``stage_tokens(output)`` that puts them back into their places: it
    returns tokens (B, T, C) in the order of the grid and which of them are there, (B, T) bool, or ``None``. For every
    other backbone the tokens are the output, or the first tensor of a tuple.

    Where a model ran its backbone several times in the step, calls of one shape are joined along the batch; calls on
    other numbers of tokens are joined along the tokens, each call a group of its own, so that all count alike.

    Args:
        owners: For each stage the backbone; ``token_groups`` names its groups, if it has several.
        calls: For each stage the outputs of its last block.

    Returns:
        The tokens of each stage.

    Raises:
        TypeError: If the block did not run, or there is no tensor in its output.
        ValueError: If calls differ in batch size or width, so that they cannot be joined.
    """
    return [_read_stage(i, owner, outputs) for i, (owner, outputs) in enumerate(zip(owners, calls))]


def _read_stage(stage: int, owner: nn.Module, outputs: Sequence[Any]) -> StageTokens:
    if not outputs:
        raise TypeError(f"stage {stage} did not run: the model's forward in this mode does not come through it")
    read = [owner.stage_tokens(output) if callable(getattr(owner, 'stage_tokens', None)) else
            (first_tensor(output, f'stage {stage}'), None) for output in outputs]
    tokens, kept = zip(*read)
    groups = getattr(owner, 'token_groups', None)
    if len(read) == 1:
        return StageTokens(tokens[0], groups, kept[0])
    shapes = [tuple(each.shape) for each in tokens]
    if len(set(shapes)) == 1:
        dim = 0
    elif len({(shape[0], *shape[2:]) for shape in shapes}) == 1:
        dim, groups = 1, {f'call_{i}': shape[1] for i, shape in enumerate(shapes)}
    else:
        raise ValueError(f'stage {stage} ran {len(read)} times in this step, on tokens {shapes}: calls of another '
                         f'batch size or width cannot be compared together')
    if any(mask is not None for mask in kept):
        kept = [torch.ones(each.shape[:2], dtype=torch.bool, device=each.device) if mask is None else mask
                for each, mask in zip(tokens, kept)]
    return StageTokens(torch.cat(tokens, dim), groups, None if kept[0] is None else torch.cat(tuple(kept), dim))
