"""A linear layer whose input has channels of like size, so that one range in int8 fits all of them.

References:
    SmoothQuant, arXiv 2211.10438, equations 3 and 4. There one exponent serves all layers; here each layer takes the
    one which leaves the smallest error of its output.
"""
from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ct_mm.deployment.int8.rounding import round_activations, round_weights, torch_pair

#: How much of the unevenness goes from the activations to the weights. None: the layer stays as it is.
EXPONENTS = (None, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.95)
_ROWS = 2048


class SmoothedLinear(nn.Linear):
    """Divides the input channel by channel and multiplies the weights in turn: the output is the same.

    ``weight`` stays what it was, for code that reads it.

    Args:
        linear: The layer.
        scale: What each channel of the input is divided by, (in,).
    """

    def __init__(self, linear: nn.Linear, scale: Tensor) -> None:
        super().__init__(linear.in_features, linear.out_features, linear.bias is not None, device='meta')
        self.weight, self.bias = linear.weight, linear.bias
        self.register_buffer('inverse', 1 / scale)
        self.inner = nn.Linear(linear.in_features, linear.out_features, linear.bias is not None, device='meta')
        self.inner.weight = nn.Parameter(linear.weight.detach() * scale, requires_grad=False)
        self.inner.bias = linear.bias

    def forward(self, x: Tensor) -> Tensor:
        """(..., in) -> (..., out)."""
        return self.inner(x * self.inverse)


def smooth(network: nn.Module, pairs: Sequence[tuple], seed: int = 0) -> dict[str, float | None]:
    """Smooths the linear layers of a network, in place, each by what fits it best.

    Args:
        network: Called with a pair of crops.
        pairs: Crops of the calibration.
        seed: Of the choice of tokens that the errors are measured on.

    Returns:
        The exponent that each layer took, by name.
    """
    linears = {name: module for name, module in network.named_modules() if type(module) is nn.Linear}
    inputs = _inputs(network, linears, pairs, seed)
    chosen = {}
    for name, linear in linears.items():
        if name not in inputs:  # not called as a module: nothing to smooth in front of
            continue
        rows, low, high = inputs[name]
        scales = {exponent: _scale(linear.weight, low, high, exponent) for exponent in EXPONENTS}
        errors = {exponent: _error(linear.weight, rows, low, high, scale) for exponent, scale in scales.items()}
        best = chosen[name] = min(errors, key=errors.get)
        if best is not None:
            owner, _, attribute = name.rpartition('.')
            setattr(network.get_submodule(owner), attribute, SmoothedLinear(linear, scales[best]))
    return chosen


def _inputs(network: nn.Module, linears: dict, pairs: Sequence[tuple], seed: int) -> dict[str, tuple]:
    """Some input rows of each layer, and the bounds of each channel over all of them."""
    generator = torch.Generator().manual_seed(seed)
    share, found = -(-_ROWS // len(pairs)), {}

    def keep(name: str):

        def hook(_, args: tuple) -> None:
            rows = args[0].detach().flatten(0, -2)  # (rows, in)
            some = rows[torch.randperm(len(rows), generator=generator)[:share]]
            kept, low, high = found.get(name, ([], rows.amin(0), rows.amax(0)))
            found[name] = kept + [some], torch.minimum(low, rows.amin(0)), torch.maximum(high, rows.amax(0))

        return hook

    hooks = [linear.register_forward_pre_hook(keep(name)) for name, linear in linears.items()]
    try:
        with torch.no_grad():
            for pair in pairs:
                network(*torch_pair(pair))
    finally:
        for hook in hooks:
            hook.remove()
    return {name: (torch.cat(kept), low, high) for name, (kept, low, high) in found.items()}


def _scale(weight: Tensor, low: Tensor, high: Tensor, exponent: float | None) -> Tensor:
    largest = torch.maximum(low.abs(), high.abs()).clamp(min=1e-5)  # (in,)
    if exponent is None:
        return torch.ones_like(largest)
    scale = largest**exponent / weight.detach().abs().amax(0).clamp(min=1e-5)**(1 - exponent)
    return scale / scale.log().mean().exp()  # the mean size does not matter; ones are easy to read


def _error(weight: Tensor, rows: Tensor, low: Tensor, high: Tensor, scale: Tensor) -> float:
    weight, x = weight.detach(), round_activations(rows / scale, (low / scale).amin(), (high / scale).amax())
    return float((F.linear(x, round_weights(weight * scale)) - F.linear(rows, weight)).square().mean())
