"""What 8 bits do to numbers, in PyTorch: the arithmetic that the runtimes use, to foresee its error."""
from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

#: The modules whose inputs and weights are quantised.
QUANTIZED_TYPES = (nn.Linear, nn.Conv2d)


def round_activations(values: Tensor, low: Tensor, high: Tensor) -> Tensor:
    """Rounds to the 256 levels between two bounds, zero among them.

    Args:
        values: Of any shape.
        low: Lower bound, a scalar.
        high: Upper bound, a scalar.
    """
    low, high = low.clamp(max=0), high.clamp(min=0)
    step = ((high - low) / 255).clamp(min=1e-12)
    zero = (-low / step).round()
    return ((values / step).round() + zero).clamp(0, 255).sub(zero) * step


def round_weights(weight: Tensor) -> Tensor:
    """Rounds to 255 levels around zero, a range for each output channel.

    Args:
        weight: (out, in) of a linear layer or (out, in, k, k) of a convolution.
    """
    step = weight.abs().flatten(1).amax(1).clamp(min=1e-12) / 127  # (out,)
    step = step.view(-1, *[1] * (weight.ndim - 1))
    return (weight / step).round() * step


@contextmanager
def rounded(module: nn.Module, low: Tensor, high: Tensor) -> Iterator[None]:
    """Lets one linear layer or convolution compute as in int8.

    Args:
        module: The layer.
        low: Smallest value of its input in the calibration.
        high: Largest value.
    """
    weight = module.weight.data
    hook = module.register_forward_pre_hook(lambda _, inputs: (round_activations(inputs[0], low, high), ))
    module.weight.data = round_weights(weight)
    try:
        yield
    finally:
        hook.remove()
        module.weight.data = weight


def torch_pair(pair: tuple) -> tuple[Tensor, Tensor]:
    """A pair of crops as the network in PyTorch takes it."""
    return tuple(torch.from_numpy(crop) if not isinstance(crop, Tensor) else crop for crop in pair)
