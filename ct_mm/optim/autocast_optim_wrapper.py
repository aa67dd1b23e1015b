"""Mixed precision in bfloat16, on any device."""
from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from mmengine.optim import OptimWrapper
from torch import nn

from ct_mm.registry import OPTIM_WRAPPERS


@OPTIM_WRAPPERS.register_module()
class AutocastOptimWrapper(OptimWrapper):
    """An OptimWrapper whose steps run in bfloat16 where that is safe, weights and optimizer staying in float32.

    MMEngine's ``AmpOptimWrapper`` wants an accelerator and scales the loss, which float16 needs. The range of bfloat16
    is that of float32, so there is nothing to scale, and processors with AVX512-BF16 or AMX compute in it too.

    Args:
        **kwargs: Those of MMEngine's ``OptimWrapper``.
    """

    @contextmanager
    def optim_context(self, model: nn.Module) -> Iterator[None]:
        """Autocast for the forward pass, and no synchronisation while gradients accumulate."""
        device = next(model.parameters()).device.type
        with super().optim_context(model), torch.autocast(device, torch.bfloat16):
            yield
