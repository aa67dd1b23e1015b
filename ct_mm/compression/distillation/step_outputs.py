"""What a model puts out in one step: the tokens at the ends of its stages, and its predictions."""
from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from .taps import first_tensor, join_calls

#: Number of tokens of each group, in order, such as ``dict(template=64, search=256)``.
Groups = dict[str, int]


@dataclass(frozen=True)
class StageTokens:
    """The tokens at the end of one stage.

    Args:
        tokens: (B, T, C), of all calls in this step.
        groups: Number of tokens of each group; ``None`` is one group.
        kept: Which tokens the model still has (B, T) bool, if it drops some; ``None`` is all.

    Examples:
        >>> stage = StageTokens(torch.zeros(2, 5, 8), dict(template=1, search=4))
        >>> {name: tuple(tokens.shape) for name, tokens in stage.by_group().items()}
        {'template': (2, 1, 8), 'search': (2, 4, 8)}
    """

    tokens: Tensor
    groups: Groups | None = None
    kept: Tensor | None = None

    def by_group(self) -> dict[str, Tensor]:
        """Returns the tokens of each group by its name, (B, Tg, C) each; a single group is named ``tokens``."""
        if self.groups is None:
            return dict(tokens=self.tokens)
        return dict(zip(self.groups, self.tokens.split(list(self.groups.values()), dim=1)))


@dataclass(frozen=True)
class StepOutputs:
    """What the student or the teacher put out in one step.

    Args:
        stages: The tokens at the end of each stage.
        predictions: Output of the module that ``compress.predictions`` names, or a list for a list of names; ``None``
            if the model has no such module.
    """

    stages: list[StageTokens]
    predictions: Any = None

    @property
    def tokens(self) -> list[Tensor]:
        """The tokens (B, T, C) of each stage."""
        return [stage.tokens for stage in self.stages]


def read_stages(owners: Sequence[nn.Module], calls: Sequence[Sequence[Any]]) -> list[StageTokens]:
    """Finds the tokens in what the last block of each stage returned.

    A backbone whose blocks drop tokens has a method ``stage_tokens(output)`` that puts them back in place: it returns
    tokens (B, T, C) in the order of the grid, and which of them are present, (B, T) bool, or ``None``. For every other
    backbone the tokens are the output, or the first tensor of a tuple.

    If a model ran its backbone several times in the step, calls of the same shape are joined along the batch. Calls
    with different numbers of tokens are joined along the tokens, each call a group of its own, so that all count alike.

    Args:
        owners: The backbone of each stage; its ``token_groups`` names its groups, if it has several.
        calls: For each stage the outputs of its last block.

    Returns:
        The tokens of each stage.

    Raises:
        TypeError: If a block did not run, or its output has no tensor.
        ValueError: If calls differ in batch size or width, so that they cannot be joined.
    """
    return [_read_stage(i, owner, outputs) for i, (owner, outputs) in enumerate(zip(owners, calls))]


def _read_stage(stage: int, owner: nn.Module, outputs: Sequence[Any]) -> StageTokens:
    if not outputs:
        raise TypeError(f"stage {stage} did not run: the model's forward in this mode does not come through it")
    restore = getattr(owner, 'stage_tokens', None)
    read = [restore(output) if callable(restore) else (first_tensor(output, f'stage {stage}'), None)
            for output in outputs]
    tokens, kept = zip(*read)
    groups = getattr(owner, 'token_groups', None)
    if len(read) == 1:
        return StageTokens(tokens[0], groups, kept[0])
    shapes = [tuple(each.shape) for each in tokens]
    dim = 0
    if len(set(shapes)) > 1:
        dim, groups = 1, {f'call_{i}': shape[1] for i, shape in enumerate(shapes)}
        if len({(shape[0], *shape[2:]) for shape in shapes}) > 1:
            raise ValueError(f'stage {stage} ran {len(read)} times in this step, on tokens {shapes}: calls of another '
                             f'batch size or width cannot be compared together')
    if any(mask is not None for mask in kept):
        kept = [each.new_ones(each.shape[:2], dtype=torch.bool) if mask is None else mask
                for each, mask in zip(tokens, kept)]
    return StageTokens(torch.cat(tokens, dim), groups, None if kept[0] is None else torch.cat(kept, dim))


def path_list(predictions: str | Sequence[str]) -> list[str]:
    """Returns the paths of the modules whose outputs are the predictions."""
    return [predictions] if isinstance(predictions, str) else list(predictions)


def find_predictions(model: nn.Module, predictions: str | Sequence[str]) -> list[nn.Module]:
    """Finds the modules whose outputs are the predictions; raises a ValueError if the model lacks one."""
    modules = []
    for path in path_list(predictions):
        try:
            if not path:
                raise AttributeError('the model itself')
            modules.append(model.get_submodule(path))
        except AttributeError as error:
            children = ', '.join(name for name, _ in model.named_children()) or 'none'
            raise ValueError(f'predictions={predictions!r}: {type(model).__name__} has no such module (its modules: '
                             f'{children}); {way_out(path)}') from error
    return modules


def read_predictions(predictions: str | Sequence[str], calls: Sequence[Sequence[Any]], mode: str) -> Any:
    """Reads the outputs of the modules that hold the predictions.

    Args:
        predictions: The path of one module, or of several.
        calls: For each module the outputs of its calls.
        mode: The mode in which the model ran, for the error.

    Returns:
        The output, or a list with one for each module. Several calls of a module in one step are joined along the
        batch; if their shapes differ, they become a list with one output for each call.

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
    """Keeps only the last call of a module that ran more or less often in the student than in the teacher.

    A head that predicts after every layer runs K times in the student and N times in the teacher; only what both
    predict in the end can be compared.
    """
    matched = [(s, t) if len(s) == len(t) else (s[-1:], t[-1:]) for s, t in zip(student, teacher)]
    return [s for s, _ in matched], [t for _, t in matched]


def way_out(path: str) -> str:
    """Tells the user what to write if the predictions at a path cannot be compared."""
    return ('name a module whose output holds the predictions and the loss for it, for example\n'
            f"    predictions={path or 'head'!r}, guidance=dict(type='ct_mm.OutputGuidanceLoss', loss='kl')\n"
            "in compress ('l1' and 'mse' are losses too, one for each output in a dict or list), or set guidance=None")
