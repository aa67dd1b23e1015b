"""A linear warm-up and a cosine in one schedule that is a function of the step."""
from __future__ import annotations

import math
from typing import Any

from mmengine.optim.scheduler.lr_scheduler import LRSchedulerMixin
from mmengine.optim.scheduler.param_scheduler import INF, _ParamScheduler

from ct_mm.registry import PARAM_SCHEDULERS


@PARAM_SCHEDULERS.register_module()
class WarmupCosineLR(LRSchedulerMixin, _ParamScheduler):
    """Raises the learning rate linearly from ``start_factor`` times its value, then lowers it along a half cosine.

    ``length`` counts from the end of the warm-up. A training that ends earlier ends above ``eta_min``. The first two
    steps use the first value: step i, counted from 0, uses that of step ``max(i - 1, 0)``. Source: the recipe of LoRAT
    (arXiv 2403.05231).

    Args:
        optimizer: The optimizer; MMEngine passes it.
        warmup: Length of the warm-up, in epochs if ``by_epoch``.
        length: Length of the cosine, in epochs if ``by_epoch``.
        start_factor: First learning rate over the optimizer's.
        eta_min: Learning rate at the end of the cosine.
        **kwargs: Arguments of MMEngine's schedulers. In a config, set ``by_epoch=True, convert_to_iter_based=True`` to
            give lengths in epochs and change the rate at each step.

    Raises:
        ValueError: If a length is not positive.

    Examples:
        >>> import torch
        >>> optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
        >>> WarmupCosineLR(optimizer, warmup=2, length=4, start_factor=0.5).value(1, 1.0)
        0.75
    """

    def __init__(self, optimizer: Any, *args: Any, warmup: int, length: int, start_factor: float = 1e-3,
                 eta_min: float = 0.0, **kwargs: Any) -> None:
        if warmup < 1 or length < 1:
            raise ValueError(f'WarmupCosineLR: warmup={warmup} and length={length} must be at least 1')
        self.warmup, self.length, self.start_factor, self.eta_min = warmup, length, start_factor, eta_min
        super().__init__(optimizer, *args, **kwargs)

    @classmethod
    def build_iter_from_epoch(cls, *args: Any, warmup: int, length: int, epoch_length: int, begin: int = 0,
                              end: int = INF, by_epoch: bool = True, **kwargs: Any) -> WarmupCosineLR:
        """Builds the schedule from lengths in epochs."""
        if not by_epoch:
            raise ValueError('WarmupCosineLR: convert_to_iter_based needs by_epoch=True')
        return cls(*args, warmup=warmup * epoch_length, length=length * epoch_length, begin=begin * epoch_length,
                   end=end if end == INF else end * epoch_length, by_epoch=False, **kwargs)

    def value(self, step: int, base: float) -> float:
        """Returns the learning rate after so many steps, without the delay; ``base`` is the optimizer's."""
        if step < self.warmup:
            start = base * self.start_factor
            return start + step * (base - start) / self.warmup
        part = min((step - self.warmup) / self.length, 1.0)
        return self.eta_min + 0.5 * (base - self.eta_min) * (1 + math.cos(math.pi * part))

    def _get_value(self) -> list[float]:
        return [self.value(max(self.last_step - 1, 0), base) for base in self.base_values]
