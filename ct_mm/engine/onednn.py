"""Matrix products on a CPU by oneDNN, where PyTorch takes slower ones.

Linear layers in float32 go to MKL, which on CPUs of other makers than Intel leaves AVX-512 unused; oneDNN, which is in
PyTorch too, does not ask who made the CPU. In bfloat16 they do go to oneDNN, but the bias is copied to where the
product will be; here it is added in the product. Fused attention in bfloat16 is, over few tokens, slower than oneDNN's
products with the matrix between them written out. All give the same sums in another order.
"""
from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

#: Most tokens for which written-out attention in bfloat16 is taken; at 720 the fused kernel had caught up.
FEW_TOKENS = 512


@contextmanager
def by_onednn() -> Iterator[None]:
    """Computes linear layers, and attention in bfloat16, on a CPU by oneDNN, forward and backward.

    Linear layers in float32, or in mixed precision of bfloat16. Everything else is computed as ever.

    Raises:
        RuntimeError: If this PyTorch was built without oneDNN.
    """
    if not torch.backends.mkldnn.is_available():
        raise RuntimeError('this PyTorch was built without oneDNN: leave onednn=True out')
    with _ByOneDNN():
        yield


def pack_weights(model: nn.Module) -> None:
    """Keeps a second copy of the weights of frozen linear layers in bfloat16, laid out as oneDNN's products want them.

    Else each product lays them out anew, which takes 5 to 9 % of it at the shapes of a ViT-B with batch 4. A weight
    that changes afterwards is used as it is, until it is packed again.

    Args:
        model: Its ``nn.Linear`` layers are packed if their weights are in bfloat16, need no gradient and are on a CPU
            that computes in bfloat16.
    """
    for module in model.modules():
        weight = module.weight if type(module) is nn.Linear else None
        if weight is not None and weight.dtype == torch.bfloat16 and weight.device.type == 'cpu' and \
                not weight.requires_grad and _packed(weight) is None and _has_bfloat16():
            weight.packed = weight._version, torch.ops.mkldnn._reorder_linear_weight(weight.detach())


def _packed(weight: Tensor) -> Tensor | None:
    version, packed = getattr(weight, 'packed', (None, None))
    return packed if version == weight._version else None


class _ByOneDNN(TorchFunctionMode):

    def __torch_function__(self, func: Any, types: Any, args: tuple = (), kwargs: dict | None = None) -> Any:
        kwargs = kwargs or {}
        if func is F.linear:
            dtype = _type_of_product(*args, **kwargs)
            if dtype is not None:
                with torch.autocast('cpu', enabled=False):
                    return _Linear.apply(*(t if t is None else t.to(dtype) for t in (*args, *kwargs.values())))
        if func is F.scaled_dot_product_attention and _is_short(*args, **kwargs):
            return _attention(*args)
        return func(*args, **kwargs)


def _type_of_product(input: Tensor, weight: Tensor, bias: Tensor | None = None) -> torch.dtype | None:
    """In what to compute a linear layer by oneDNN; None if that is not for it."""
    dtype = torch.get_autocast_dtype('cpu') if torch.is_autocast_enabled('cpu') else torch.float32
    if dtype not in (torch.float32, torch.bfloat16):
        return None
    types = (dtype, torch.float32) if dtype == torch.float32 or _has_bfloat16() else ()
    fits = all(t.device.type == 'cpu' and t.dtype in types and t.layout == torch.strided and t.numel()
               for t in (input, weight)) and weight.dim() == 2
    return dtype if fits else None


@cache
def _has_bfloat16() -> bool:
    return torch.ops.mkldnn._is_mkldnn_bf16_supported()  # by this CPU; elsewhere PyTorch has other kernels


def _is_short(query: Tensor, key: Tensor, value: Tensor, *more: Any, **settings: Any) -> bool:
    return (query.device.type == 'cpu' and query.dtype == key.dtype == value.dtype == torch.bfloat16
            and max(query.shape[-2], key.shape[-2]) <= FEW_TOKENS and not more and not any(settings.values()))


def _attention(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    return (query @ key.transpose(-2, -1) * query.shape[-1]**-0.5).softmax(dim=-1) @ value  # (..., T, T) in between


class _Linear(torch.autograd.Function):
    """``x @ weight.T + bias``; keeps only what the gradients that are asked for need."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
        ctx.save_for_backward(x if ctx.needs_input_grad[1] else None, weight if ctx.needs_input_grad[0] else None)
        packed = _packed(weight)
        return _product(x, weight if packed is None else packed, bias)

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
