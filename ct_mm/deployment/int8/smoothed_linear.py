"""Linear layers that scale their input so that a single int8 range suits all channels.

References:
    SmoothQuant, arXiv 2211.10438, equations 3 and 4. The paper uses one exponent for all layers; here each layer uses
    the exponent that minimises the error of its output.
"""
from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ct_mm.deployment.int8.rounding import round_activations, round_weights, tensors, watched_inputs

#: Exponents to try: the share of the imbalance moved from the activations to the weights. None: do not smooth.
EXPONENTS = (None, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.95)
_ROWS = 2048


class SmoothedLinear(nn.Linear):
    """Divides each input channel by a scale and multiplies the weights by it, so that the output is unchanged.

    ``weight`` keeps its original values for code that reads it.

    Args:
        linear: The layer to smooth.
        scale: Divisor of each input channel, (in,).

    Examples:
        >>> linear, x = nn.Linear(4, 2), torch.rand(3, 4)
        >>> torch.allclose(SmoothedLinear(linear, torch.tensor([1., 2., 4., 8.]))(x), linear(x), atol=1e-6)
        True
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


def smooth(network: nn.Module, pairs: Sequence[Mapping], seed: int = 0) -> dict[str, float | None]:
    """Smooths the linear layers of a network in place, each with the exponent that suits it best.

    Args:
        network: A network called with its inputs.
        pairs: Calibration samples: inputs by name.
        seed: Seed of the choice of tokens on which errors are measured.

    Returns:
        The exponent of each layer by name. Layers that are never called as modules are absent.
    """
    linears = {name: module for name, module in network.named_modules() if type(module) is nn.Linear}
    inputs = _inputs(network, linears, pairs, seed)
    chosen = {}
    for name, linear in linears.items():
        if name not in inputs:  # not called as a module, so there is no input to scale
            continue
        rows, low, high = inputs[name]
        scales = {exponent: _scale(linear.weight, low, high, exponent) for exponent in EXPONENTS}
        errors = {exponent: _error(linear.weight, rows, low, high, scale) for exponent, scale in scales.items()}
        best = chosen[name] = min(errors, key=errors.get)
        if best is not None:
            owner, _, attribute = name.rpartition('.')
            setattr(network.get_submodule(owner), attribute, SmoothedLinear(linear, scales[best]))
    return chosen


def _inputs(network: nn.Module, linears: dict, pairs: Sequence[Mapping], seed: int) -> dict[str, tuple]:
    """Returns a sample of the input rows of each layer, and the bounds of each channel over all rows."""
    generator = torch.Generator().manual_seed(seed)
    share, found = -(-_ROWS // len(pairs)), {}

    def keep(name: str, x: Tensor) -> None:
        rows = x.flatten(0, -2)  # (rows, in)
        some = rows[torch.randperm(len(rows), generator=generator)[:share]]
        kept, low, high = found.get(name, ([], rows.amin(0), rows.amax(0)))
        found[name] = kept + [some], torch.minimum(low, rows.amin(0)), torch.maximum(high, rows.amax(0))

    with watched_inputs(linears, keep), torch.no_grad():
        for pair in pairs:
            network(*tensors(pair))
    return {name: (torch.cat(kept), low, high) for name, (kept, low, high) in found.items()}


def _scale(weight: Tensor, low: Tensor, high: Tensor, exponent: float | None) -> Tensor:
    largest = torch.maximum(low.abs(), high.abs()).clamp(min=1e-5)  # (in,)
    if exponent is None:
        return torch.ones_like(largest)
    scale = largest**exponent / weight.detach().abs().amax(0).clamp(min=1e-5)**(1 - exponent)
    return scale / scale.log().mean().exp()  # normalised to a geometric mean of 1, which changes nothing


def _error(weight: Tensor, rows: Tensor, low: Tensor, high: Tensor, scale: Tensor) -> float:
    weight, x = weight.detach(), round_activations(rows / scale, (low / scale).amin(), (high / scale).amax())
    return float((F.linear(x, round_weights(weight * scale)) - F.linear(rows, weight)).square().mean())
