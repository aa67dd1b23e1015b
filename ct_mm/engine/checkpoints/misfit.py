"""Compares the weights of a file with those of a model."""
from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor

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
