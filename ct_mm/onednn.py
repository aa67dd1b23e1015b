"""Linear layers in float32 on a CPU by oneDNN instead of MKL.

PyTorch takes MKL for them, which on CPUs of other makers than Intel leaves AVX-512 unused; oneDNN, which is in PyTorch
too, does not ask who made the CPU. Same products, other order of the sums.
"""
from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.overrides import TorchFunctionMode


@contextmanager
def linear_by_onednn() -> Iterator[None]:
    """Runs ``nn.Linear`` in float32 on a CPU by oneDNN, forward and backward; everything else as ever.

    Raises:
        RuntimeError: If this PyTorch was built without oneDNN.
    """
    if not torch.backends.mkldnn.is_available():
        raise RuntimeError('this PyTorch was built without oneDNN: leave onednn=True out')
    with _LinearByOneDNN():
        yield


class _LinearByOneDNN(TorchFunctionMode):

    def __torch_function__(self, func: Any, types: Any, args: tuple = (), kwargs: dict | None = None) -> Any:
        if func is F.linear and not torch.is_autocast_enabled('cpu') and _fits(*args, **(kwargs or {})):
            return _Linear.apply(*args, *(kwargs or {}).values())
        return func(*args, **(kwargs or {}))


def _fits(input: Tensor, weight: Tensor, bias: Tensor | None = None) -> bool:
    return all(t.device.type == 'cpu' and t.dtype == torch.float32 and t.layout == torch.strided and t.numel()
               for t in (input, weight)) and weight.dim() == 2


class _Linear(torch.autograd.Function):
    """``x @ weight.T + bias``; keeps only what the gradients that are asked for need."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
        ctx.save_for_backward(x if ctx.needs_input_grad[1] else None, weight if ctx.needs_input_grad[0] else None)
        return _product(x, weight, bias)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, Tensor | None, Tensor | None]:
        x, weight = ctx.saved_tensors
        rows = grad.reshape(-1, grad.shape[-1])  # (N, out)
        return (None if weight is None else _product(grad, weight.t()),
                None if x is None else _product(rows.t(), x.reshape(-1, x.shape[-1]).t()),
                rows.sum(0) if ctx.needs_input_grad[2:] == (True, ) else None)[:len(ctx.needs_input_grad)]


def _product(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    return torch.ops.mkldnn._linear_pointwise(x, weight, bias, 'none', [], '')
