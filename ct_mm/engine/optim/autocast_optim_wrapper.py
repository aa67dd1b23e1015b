"""Mixed precision training in bfloat16 on any device."""
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
    """An OptimWrapper that runs the forward pass in bfloat16 autocast; weights and optimizer stay in float32.

    MMEngine's ``AmpOptimWrapper`` requires an accelerator and scales the loss, as float16 needs it. bfloat16 has the
    range of float32, so no scaling is needed, and CPUs with AVX512-BF16 or AMX support it too.

    Args:
        *args: Arguments of MMEngine's ``OptimWrapper``.
        onednn: On a CPU, compute linear layers and attention with oneDNN in the forward and backward pass, see
            :mod:`ct_mm.engine.onednn`. Compressions use ``compress.step.onednn`` instead; this works for any model.
        **kwargs: Keyword arguments of MMEngine's ``OptimWrapper``.
    """

    def __init__(self, *args: Any, onednn: bool = False, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.onednn = onednn

    @contextmanager
    def optim_context(self, model: nn.Module) -> Iterator[None]:
        """Autocasts the forward pass and skips gradient synchronisation while gradients accumulate."""
        device = next(model.parameters()).device.type
        with super().optim_context(model), torch.autocast(device, torch.bfloat16), \
                by_onednn() if self.onednn else nullcontext():
            yield
