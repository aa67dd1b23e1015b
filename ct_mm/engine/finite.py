"""Detects non-finite losses before their gradients reach any weight."""
from __future__ import annotations

from itertools import chain
from typing import Any, Mapping, Sequence

import torch
from torch import Tensor


class BadLossError(FloatingPointError):
    """A loss is NaN or infinite.

    Args:
        message: What is wrong and what to do.
        losses: Loss values by name.
        context: Further facts about the step.
        files: Files that the batch was made from.
    """

    def __init__(self, message: str, losses: Mapping[str, float] | None = None,
                 context: Mapping[str, Any] | None = None, files: Sequence[str] = ()) -> None:
        super().__init__(message)
        self.losses, self.context, self.files = dict(losses or {}), dict(context or {}), list(files)


def check_losses(losses: Mapping[str, Tensor | Sequence[Tensor]], data_samples: Sequence[Any] | None = None,
                 **context: Any) -> None:
    """Raises if a loss is NaN or infinite, before its gradient reaches any weight.

    Args:
        losses: Losses by name; a loss may be a list, such as one for each level of a pyramid.
        data_samples: The samples of the batch; their ``source`` names the files.
        **context: Further facts about the step, for the message.

    Raises:
        BadLossError: If a loss is NaN or infinite; names the losses, the context and the files of the batch.

    Examples:
        >>> check_losses(dict(loss=torch.tensor(1.0)))
        >>> check_losses(dict(loss=torch.tensor(float('nan'))), iteration=7)  # doctest: +ELLIPSIS
        Traceback (most recent call last):
            ...
        ct_mm.engine.finite.BadLossError: non-finite loss: {'loss': nan}; iteration=7. Lower the learning rate or ...
    """
    parts = {name: [part.detach().sum() for part in ([value] if isinstance(value, Tensor) else value)]
             for name, value in losses.items()}
    if bool(torch.isfinite(torch.stack([*chain.from_iterable(parts.values())])).all()):
        return
    broken = {name: sum(part.item() for part in values) for name, values in parts.items()}
    said = ', '.join(f'{name}={value}' for name, value in context.items())
    files = sample_files(data_samples)
    raise BadLossError(
        f'non-finite loss: {broken}{"; " + said if said else ""}. Lower the learning rate or inspect '
        f'the batch: {", ".join(files) or "its samples name no files"}', broken, context, files)


def sample_files(data_samples: Any) -> list[str]:
    """Lists the files that samples name in ``source`` (this package) or ``img_path`` (other codebases).

    Args:
        data_samples: A list or tuple of samples; anything else gives an empty list.

    Returns:
        The files, sorted.
    """
    files = set()
    for sample in data_samples if isinstance(data_samples, (list, tuple)) else ():
        source = getattr(sample, 'source', None) or getattr(sample, 'img_path', None) or ()
        files.update(map(str, source if isinstance(source, (list, tuple)) else [source]))
    return sorted(files)
