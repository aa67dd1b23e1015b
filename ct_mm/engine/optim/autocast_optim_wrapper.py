"""Mixed precision in bfloat16, on any device."""
from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

import torch
from mmengine.optim import OptimWrapper
from torch import nn

from ct_mm.engine.onednn import by_onednn
from ct_mm.registry import OPTIM_WRAPPERS


@OPTIM_WRAPPERS.register_module()
class AutocastOptimWrapper(OptimWrapper):
    """An OptimWrapper whose steps run in bfloat16 where that is safe, weights and optimizer staying in float32.

    MMEngine's ``AmpOptimWrapper`` wants an accelerator and scales the loss, which float16 needs. The range of bfloat16
    is that of float32, so there is nothing to scale, and processors with AVX512-BF16 or AMX compute in it too.

    Args:
        onednn: On a CPU, compute the forward pass's linear layers and attention by oneDNN, backward too, see
            :mod:`ct_mm.engine.onednn`. What ``compress.step.onednn`` is for a compression, for a training of any model.
        **kwargs: Those of MMEngine's ``OptimWrapper``.
    """

    def __init__(self, *args: Any, onednn: bool = False, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.onednn = onednn

    @contextmanager
    def optim_context(self, model: nn.Module) -> Iterator[None]:
        """Autocast for the forward pass, and no synchronisation while gradients accumulate."""
        device = next(model.parameters()).device.type
        with super().optim_context(model), torch.autocast(device, torch.bfloat16), \
                by_onednn() if self.onednn else nullcontext():
            yield
