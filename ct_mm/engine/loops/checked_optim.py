"""Lets no gradient of a bad loss be computed, on any rank."""
from __future__ import annotations

from typing import Any

import torch
from mmengine.dist import all_reduce, get_world_size
from mmengine.optim import OptimWrapper
from torch import Tensor

from ct_mm.engine.finite import BadLossError


def any_rank(flag: bool) -> bool:
    """Whether the flag is set on any rank. All ranks must ask at the same point, and get the same."""
    if get_world_size() == 1:
        return flag
    value = torch.tensor([int(flag)])
    all_reduce(value, 'max')
    return bool(value)


class CheckedOptim:
    """An ``OptimWrapper`` for one step that looks at the loss, with the other ranks, before the backward pass.

    There neither gradients nor the scaler of mixed precision have seen the loss, so a step that ends here leaves no
    trace in them.

    Args:
        optim_wrapper: What else is asked of this object is asked of that one.
    """

    def __init__(self, optim_wrapper: OptimWrapper) -> None:
        self.optim_wrapper = optim_wrapper
        self.agreed = False  # whether the ranks have looked at this step's loss

    def update_params(self, loss: Tensor, *args: Any, **kwargs: Any) -> None:
        """Updates the parameters unless a rank's loss is bad.

        Raises:
            BadLossError: On every rank, if the loss of any is NaN or infinite.
        """
        bad = not bool(torch.isfinite(loss.detach()).all())
        self.agreed = True
        if any_rank(bad):
            if bad:
                value = loss.detach().float().sum().item()
                raise BadLossError(f'the loss is no number any more: {value}', dict(loss=value))
            raise BadLossError('the loss of another rank is no number any more')
        self.optim_wrapper.update_params(loss, *args, **kwargs)

    def __getattr__(self, name: str) -> Any:
        if name == 'optim_wrapper':
            raise AttributeError(name)
        return getattr(self.optim_wrapper, name)
