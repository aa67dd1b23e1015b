"""Checks the loss on all ranks before its gradient is computed."""
from __future__ import annotations

from typing import Any

import torch
from mmengine.dist import all_reduce, get_world_size
from mmengine.optim import OptimWrapper
from torch import Tensor

from ct_mm.engine.finite import BadLossError


def any_rank(flag: bool) -> bool:
    """Whether the flag is set on any rank. All ranks must call this at the same point and get the same answer."""
    if get_world_size() == 1:
        return flag
    value = torch.tensor([int(flag)])
    all_reduce(value, 'max')
    return bool(value)


class CheckedOptim:
    """An ``OptimWrapper`` for one step that checks the loss on all ranks before the backward pass.

    At that point the loss has not reached the gradients or the loss scaler of mixed precision, so a step that ends
    here does not change them.

    Args:
        optim_wrapper: The wrapped ``OptimWrapper``; all other attributes come from it.
    """

    def __init__(self, optim_wrapper: OptimWrapper) -> None:
        self.optim_wrapper = optim_wrapper
        self.agreed = False  # whether the ranks have checked the loss of this step

    def update_params(self, loss: Tensor, *args: Any, **kwargs: Any) -> None:
        """Updates the parameters unless a rank's loss is bad.

        Raises:
            BadLossError: On every rank, if the loss of any rank is NaN or infinite.
        """
        bad = not bool(torch.isfinite(loss.detach()).all())
        self.agreed = True
        if any_rank(bad):
            if bad:
                value = loss.detach().float().sum().item()
                raise BadLossError(f'non-finite loss: {value}', dict(loss=value))
            raise BadLossError('non-finite loss on another rank')
        self.optim_wrapper.update_params(loss, *args, **kwargs)

    def __getattr__(self, name: str) -> Any:
        if name == 'optim_wrapper':
            raise AttributeError(name)
        return getattr(self.optim_wrapper, name)
