"""Simulates int8 arithmetic in PyTorch, as the runtimes compute it, to predict its error."""
from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor, nn

#: Modules whose inputs and weights are quantised.
QUANTIZED_TYPES = (nn.Linear, nn.Conv2d)


def round_activations(values: Tensor, low: Tensor, high: Tensor) -> Tensor:
    """Rounds values to the 256 levels between two bounds, extended so that zero is a level.

    Args:
        values: Activations of any shape.
        low: Lower bound, a scalar.
        high: Upper bound, a scalar.
    """
    low, high = low.clamp(max=0), high.clamp(min=0)
    step = ((high - low) / 255).clamp(min=1e-12)
    zero = (-low / step).round()
    return ((values / step).round() + zero).clamp(0, 255).sub(zero) * step


def round_weights(weight: Tensor) -> Tensor:
    """Rounds weights to 255 levels around zero, with a range for each output channel.

    Args:
        weight: Weight (out, in) of a linear layer or (out, in, k, k) of a convolution.
    """
    step = weight.abs().flatten(1).amax(1).clamp(min=1e-12) / 127  # (out,)
    step = step.view(-1, *[1] * (weight.ndim - 1))
    return (weight / step).round() * step


@contextmanager
def rounded(module: nn.Module, low: Tensor, high: Tensor) -> Iterator[None]:
    """Makes a linear layer or convolution compute as in int8 within the context.

    Args:
        module: The layer.
        low: Smallest input value seen in the calibration.
        high: Largest input value seen in the calibration.
    """
    weight = module.weight.data
    hook = module.register_forward_pre_hook(lambda _, inputs: (round_activations(inputs[0], low, high), ))
    module.weight.data = round_weights(weight)
    try:
        yield
    finally:
        hook.remove()
        module.weight.data = weight


@contextmanager
def watched_inputs(layers: Mapping[str, nn.Module], watch: Callable[[str, Tensor], None]) -> Iterator[None]:
    """Calls a function with the name and the input of each layer that runs within the context.

    Args:
        layers: Layers by name.
        watch: Called with the name and the first input.
    """
    hooks = [layer.register_forward_pre_hook(lambda _, inputs, name=name: watch(name, inputs[0]))
             for name, layer in layers.items()]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


def tensors(sample: Mapping) -> tuple[Tensor, ...]:
    """Returns the inputs of a network, by name, as tensors in the same order."""
    return tuple(value if isinstance(value, Tensor) else torch.from_numpy(value) for value in sample.values())
