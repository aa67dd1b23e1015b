"""Linear maps around student layers that are wider or narrower than the teacher's."""
from __future__ import annotations

import torch
from torch import nn


def layer_width(layer: nn.Module) -> int:
    """Width of the tokens that a block takes and gives.

    Args:
        layer: A transformer block, channels last.

    Returns:
        What its first norm is made for, or, if it has none, its first attention or linear layer.

    Raises:
        ValueError: If it has none of them.
    """
    modules = list(layer.modules())
    for module in modules:
        if getattr(module, 'normalized_shape', None):
            return module.normalized_shape[-1]
    for module in modules:
        if isinstance(module, nn.MultiheadAttention):
            return module.embed_dim
        if isinstance(module, nn.Linear):
            return module.in_features
    raise ValueError(f'{type(layer).__name__} has no norm, attention or linear layer to read its width from')


def adapters(width: int, layer: nn.Module) -> tuple[nn.Linear, nn.Linear]:
    """Maps into a student layer's width and back.

    Args:
        width: Of the tokens around it.
        layer: The student's layer.

    Returns:
        Two linear layers. They start as an orthonormal projection and its transpose, so that what a fresh layer leaves
        unchanged goes through as well as the narrower width allows.
    """
    inner = layer_width(layer)
    weight = next(layer.parameters())
    enter, leave = nn.Linear(width, inner), nn.Linear(inner, width)
    nn.init.orthogonal_(enter.weight)
    with torch.no_grad():
        leave.weight.copy_(enter.weight.T)
    for linear in (enter, leave):
        nn.init.zeros_(linear.bias)
    return enter.to(weight), leave.to(weight)


@torch.no_grad()
def fold(first: nn.Linear, second: nn.Linear) -> nn.Linear:
    """One linear layer that does what two in a row do, but for the order of the sums.

    Args:
        first: Applied first.
        second: Applied to its output.

    Returns:
        A new layer; the product is taken in float64.
    """
    folded = nn.Linear(first.in_features, second.out_features).to(first.weight)
    folded.weight.copy_(second.weight.double() @ first.weight.double())
    folded.bias.copy_(second.weight.double() @ first.bias.double() + second.bias.double())
    return folded
