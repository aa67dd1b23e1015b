"""Linear maps around student layers that are wider or narrower than the teacher's."""
from __future__ import annotations

import torch
from torch import nn


def layer_width(layer: nn.Module) -> int:
    """Returns the width of the tokens that a block takes and returns.

    Args:
        layer: A transformer block, channels last.

    Returns:
        The width of its first norm, or, without a norm, of its first attention or linear layer.

    Raises:
        ValueError: If it has none of these.
    """
    modules = list(layer.modules())
    norms = [module.normalized_shape[-1] for module in modules if getattr(module, 'normalized_shape', None)]
    inner = [module.embed_dim if isinstance(module, nn.MultiheadAttention) else module.in_features
             for module in modules if isinstance(module, (nn.MultiheadAttention, nn.Linear))]
    for width in (*norms, *inner):
        return width
    raise ValueError(f'{type(layer).__name__} has no norm, attention or linear layer to read its width from')


def adapters(width: int, layer: nn.Module) -> tuple[nn.Linear, nn.Linear]:
    """Builds linear maps into a student layer's width and back.

    Args:
        width: Width of the tokens outside.
        layer: The student's layer.

    Returns:
        Two linear layers, an orthonormal projection and its transpose, so that they change tokens as little as the
        narrower width allows.
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
    """Merges two linear layers in a row into one; only the order of the sums changes.

    Args:
        first: The layer applied first.
        second: The layer applied to its output.

    Returns:
        A new layer; the product is computed in float64.
    """
    folded = nn.Linear(first.in_features, second.out_features).to(first.weight)
    folded.weight.copy_(second.weight.double() @ first.weight.double())
    folded.bias.copy_(second.weight.double() @ first.bias.double() + second.bias.double())
    return folded
