"""Stops a training whose loss is no longer a number."""
from __future__ import annotations

from typing import Any, Mapping, Sequence

import torch
from torch import Tensor


def check_losses(losses: Mapping[str, Tensor], data_samples: Sequence[Any] | None = None, **context: Any) -> None:
    """Raises if a loss is NaN or infinite, before its gradient reaches any weight.

    Args:
        losses: Losses by name.
        data_samples: The batch's samples; their ``source`` names the files.
        **context: What else to say about the step.

    Raises:
        FloatingPointError: Names the losses, the context and the files of the batch.
    """
    if bool(torch.isfinite(torch.stack([value.detach().sum() for value in losses.values()])).all()):
        return
    broken = {name: value.detach().sum().item() for name, value in losses.items()}
    said = ', '.join(f'{name}={value}' for name, value in context.items())
    files = sorted({str(file) for sample in data_samples or () for file in getattr(sample, 'source', ())})
    raise FloatingPointError(
        f'a loss is no number any more: {broken}{"; " + said if said else ""}. Lower the learning rate or look at '
        f'the batch: {", ".join(files) or "its samples name no files"}')
