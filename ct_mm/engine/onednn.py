"""Matrix products with oneDNN on a CPU, where PyTorch chooses slower kernels.

PyTorch computes float32 linear layers with MKL, which does not use AVX-512 on CPUs of vendors other than Intel. oneDNN,
which PyTorch includes, uses it on every CPU that has it. PyTorch computes bfloat16 linear layers with oneDNN but first
copies the bias to the output; here oneDNN adds the bias during the product. For few tokens, PyTorch's fused attention
in bfloat16 is slower than two oneDNN products with the attention matrix in memory. All of these compute the same sums
in another order.
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

#: Maximum number of tokens for unfused bfloat16 attention; at 720 tokens the fused kernel is as fast.
FEW_TOKENS = 512


@contextmanager
def by_onednn() -> Iterator[None]:
    """Computes linear layers and bfloat16 attention with oneDNN on a CPU, in the forward and backward pass.

    Linear layers may be in float32 or in bfloat16 mixed precision. All other operations are unaffected.

    Raises:
        RuntimeError: If this PyTorch was built without oneDNN.
    """
    if not torch.backends.mkldnn.is_available():
        raise RuntimeError('this PyTorch was built without oneDNN: remove onednn=True')
    with _ByOneDNN():
        yield


def pack_weights(model: nn.Module) -> None:
    """Keeps a second copy of the weights of frozen bfloat16 linear layers in oneDNN's own layout.

    Without it, oneDNN reorders the weights for each product, which takes 5 to 9 % of the time at the shapes of a ViT-B
    with batch size 4. A weight that changes later is used unpacked until it is packed again.

    Args:
        model: A model. Its ``nn.Linear`` layers are packed if their weights are in bfloat16, require no gradient and
            are on a CPU that supports bfloat16.
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
    """The dtype for computing a linear layer with oneDNN, or None if oneDNN is not suitable."""
    dtype = torch.get_autocast_dtype('cpu') if torch.is_autocast_enabled('cpu') else torch.float32
    if dtype not in (torch.float32, torch.bfloat16):
        return None
    types = (dtype, torch.float32) if dtype == torch.float32 or _has_bfloat16() else ()
    fits = all(t.device.type == 'cpu' and t.dtype in types and t.layout == torch.strided and t.numel()
               for t in (input, weight)) and weight.dim() == 2
    return dtype if fits else None


@cache
def _has_bfloat16() -> bool:
    return torch.ops.mkldnn._is_mkldnn_bf16_supported()  # on this CPU; PyTorch uses other kernels elsewhere


def _is_short(query: Tensor, key: Tensor, value: Tensor, *more: Any, **settings: Any) -> bool:
    return (query.device.type == 'cpu' and query.dtype == key.dtype == value.dtype == torch.bfloat16
            and max(query.shape[-2], key.shape[-2]) <= FEW_TOKENS and not more and not any(settings.values()))


def _attention(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    return (query @ key.transpose(-2, -1) * query.shape[-1]**-0.5).softmax(dim=-1) @ value  # intermediate: (..., T, T)


class _Linear(torch.autograd.Function):
    """``x @ weight.T + bias``; saves only what the requested gradients need."""

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
