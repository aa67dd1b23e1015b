"""Which layers an int8 network suffers from: each alone computes as in int8, and the maps are compared."""
from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

import numpy as np
import torch
from torch import Tensor, nn

from ct_mm.deployment.int8.rounding import QUANTIZED_TYPES, rounded, torch_pair
from ct_mm.deployment.int8.smoothed_linear import SmoothedLinear
from ct_mm.tracking.runtime.model_card import OUTPUTS

_MAPS = ('score_map', 'size_map', 'offset_map')


def map_error(found: Sequence[Mapping[str, np.ndarray]], expected: Sequence[Mapping[str, np.ndarray]]) -> float:
    """How far the maps are off, as a part of how much they vary: root mean squares, the mean of the three maps.

    Unlike boxes, which jump when two cells score alike, maps change smoothly with the weights.

    Args:
        found: Outputs by name, for each pair of crops.
        expected: The same of the network in float32.
    """
    errors = []
    for name in _MAPS:
        right = np.concatenate([outputs[name] for outputs in expected]).astype(np.float64)  # (N, c, S, S)
        wrong = np.concatenate([outputs[name] for outputs in found]).astype(np.float64)
        variance = np.square(right - right.mean((0, 2, 3), keepdims=True)).mean()
        errors.append(np.sqrt(np.square(wrong - right).mean() / max(variance, 1e-12)))
    return float(np.mean(errors))


def torch_outputs(network: nn.Module, pairs: Sequence[tuple]) -> list[dict[str, np.ndarray]]:
    """Outputs of a network in PyTorch, by name, for each pair of crops."""
    with torch.inference_mode():
        return [{name: value.numpy() for name, value in zip(OUTPUTS, network(*torch_pair(pair)))} for pair in pairs]


def quantized_layers(network: nn.Module, in_float: Collection[str] = ()) -> dict[str, nn.Module]:
    """Linear layers and convolutions by name; of a smoothed layer, the part that is quantised.

    Args:
        network: The network.
        in_float: Names to leave out.
    """
    layers = {}
    for name, module in network.named_modules():
        owner = network.get_submodule(name.rpartition('.')[0])
        if isinstance(module, QUANTIZED_TYPES) and not isinstance(owner, SmoothedLinear) and name not in in_float:
            layers[name] = module.inner if isinstance(module, SmoothedLinear) else module
    return layers


def layer_errors(network: nn.Module, pairs: Sequence[tuple], in_float: Collection[str] = ()) -> dict[str, float]:
    """The error of the maps if one layer alone is in int8, the largest first.

    Args:
        network: In float32, smoothed or not.
        pairs: Pairs of crops.
        in_float: Layers that stay in float anyway.

    Returns:
        :func:`map_error` by name of the layer. Layers that are not called as modules are absent.
    """
    layers, bounds = quantized_layers(network, in_float), {}

    def widen(name: str):

        def hook(_, inputs: tuple[Tensor, ...]) -> None:
            low, high = bounds.get(name, (inputs[0].amin(), inputs[0].amax()))
            bounds[name] = torch.minimum(low, inputs[0].amin()), torch.maximum(high, inputs[0].amax())

        return hook

    hooks = [layer.register_forward_pre_hook(widen(name)) for name, layer in layers.items()]
    try:
        expected = torch_outputs(network, pairs)
    finally:
        for hook in hooks:
            hook.remove()
    errors = {}
    for name, (low, high) in bounds.items():
        with rounded(layers[name], low.clone(), high.clone()):
            errors[name] = map_error(torch_outputs(network, pairs), expected)
    return dict(sorted(errors.items(), key=lambda item: -item[1]))
