"""Compares the weights of a file with those of a model."""
from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor, nn

from .reading import bare_names

#: Maximum number of names of each kind in a message.
SHOWN = 5


@dataclass(frozen=True)
class Misfit:
    """The differences between weights and a model. It is true if there are any.

    Args:
        total: Number of entries of the model.
        missing: Names that only the model has.
        surplus: Names that only the file has.
        reshaped: Names that both have, with both shapes.
    """

    total: int
    missing: list[str]
    surplus: list[str]
    reshaped: list[str]

    def __bool__(self) -> bool:
        return bool(self.missing or self.surplus or self.reshaped)

    @property
    def fitting(self) -> int:
        """How many entries of the model have their weights."""
        return self.total - len(self.missing) - len(self.reshaped)

    def __str__(self) -> str:
        kinds = (('of another shape', self.reshaped), ('missing', self.missing), ('not in the model', self.surplus))
        parts = [f'{len(names)} {kind} ({", ".join(names[:SHOWN])}{", ..." if len(names) > SHOWN else ""})'
                 for kind, names in kinds if names]
        return f'{"; ".join(parts) or "no misfit"}, where the model has {self.total} entries'


def find_misfit(own: Mapping[str, Tensor], given: Mapping[str, Tensor]) -> Misfit:
    """Compares the names and shapes of weights.

    Args:
        own: The model's state dict.
        given: The weights to load.

    Returns:
        The differences.

    Examples:
        >>> import torch
        >>> find_misfit(dict(a=torch.ones(2), b=torch.ones(1)), dict(a=torch.ones(3))).reshaped
        ['a: shape (3,) in the checkpoint, (2,) in the model']
    """
    return Misfit(
        len(own),
        [name for name in own if name not in given],
        [name for name in given if name not in own],
        [f'{name}: shape {tuple(given[name].shape)} in the checkpoint, {tuple(value.shape)} in the model'
         for name, value in own.items() if name in given and given[name].shape != value.shape])


def fit_names(own: Mapping[str, Tensor], given: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Gives weights the names that a model has for them: wrappers may have named either.

    Examples:
        >>> import torch
        >>> list(fit_names({'model.a': torch.ones(1)}, {'module.a': torch.ones(1)}))
        ['model.a']
    """
    names = dict(zip(bare_names(own), own))
    bare = bare_names(given)
    fitted = {names.get(name, name): value for name, value in zip(bare, given.values())}
    return max(dict(given), fitted, key=lambda weights: len(own.keys() & weights.keys()))


def misfit_of(model: nn.Module, weights: Mapping[str, Tensor]) -> Misfit:
    """Says what keeps weights from fitting a model.

    Args:
        model: The model. Weights that it converts when it loads them (an older version's, another image size) do fit.
        weights: The weights, under the model's names.

    Returns:
        What does not fit; the counters of batch norms may be missing.
    """
    own = model.state_dict()
    misfit = find_misfit({name: value for name, value in own.items()
                          if name in weights or not name.endswith('num_batches_tracked')}, weights)
    if misfit:
        kept = {name: value.clone() for name, value in own.items()}
        try:
            model.load_state_dict(dict(weights), strict=True)
            return Misfit(misfit.total, [], [], [])
        except RuntimeError:
            model.load_state_dict(kept, strict=False)
    return misfit
