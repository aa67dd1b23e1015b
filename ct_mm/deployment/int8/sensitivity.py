"""Measures how much each layer contributes to the error of an int8 network."""
from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

import numpy as np
import torch
from torch import Tensor, nn

from ct_mm.deployment.export.deployed_network import DeployedNetwork
from ct_mm.deployment.int8.rounding import QUANTIZED_TYPES, rounded, tensors, watched_inputs
from ct_mm.deployment.int8.smoothed_linear import SmoothedLinear
from ct_mm.tracking.runtime.model_card import BOX, RESPONSE, SCORE


def map_error(found: Sequence[Mapping[str, np.ndarray]], expected: Sequence[Mapping[str, np.ndarray]]) -> float:
    """Returns the root-mean-square error of the maps over their standard deviation, averaged over the maps.

    Maps, that is all outputs but box and score, change smoothly with the weights, while boxes jump if two cells have
    similar scores. The box stands in where a network puts out nothing else.

    Args:
        found: Outputs by name for each pair of crops.
        expected: Outputs of the float32 network for the same crops.
    """
    errors = []
    for name in [name for name in expected[0] if name not in (BOX, SCORE, RESPONSE)] or [BOX]:
        right = np.concatenate([outputs[name] for outputs in expected]).astype(np.float64)  # (N, c, ...)
        wrong = np.concatenate([outputs[name] for outputs in found]).astype(np.float64)
        axes = tuple(axis for axis in range(right.ndim) if axis != 1)
        variance = np.square(right - right.mean(axes, keepdims=True)).mean()
        errors.append(np.sqrt(np.square(wrong - right).mean() / max(variance, 1e-12)))
    return float(np.mean(errors))


def torch_outputs(network: DeployedNetwork, pairs: Sequence[Mapping]) -> list[dict[str, np.ndarray]]:
    """Returns the outputs of a PyTorch network, by name, for each pair of crops."""
    with torch.inference_mode():
        return [{name: value.numpy() for name, value in zip(network.card.outputs, network(*tensors(pair)))}
                for pair in pairs]


def quantized_layers(network: nn.Module, in_float: Collection[str] = ()) -> dict[str, nn.Module]:
    """Returns the linear layers and convolutions to quantise by name; for a smoothed layer, its inner one.

    Args:
        network: The network, smoothed or not.
        in_float: Names of layers to leave out.
    """
    layers = {}
    for name, module in network.named_modules():
        owner = network.get_submodule(name.rpartition('.')[0])
        if isinstance(module, QUANTIZED_TYPES) and not isinstance(owner, SmoothedLinear) and name not in in_float:
            layers[name] = module.inner if isinstance(module, SmoothedLinear) else module
    return layers


def layer_errors(network: DeployedNetwork, pairs: Sequence[Mapping],
                 in_float: Collection[str] = ()) -> dict[str, float]:
    """Estimates the error of the maps with a single layer in int8, for each layer.

    Args:
        network: The float32 network, smoothed or not.
        pairs: Pairs of crops.
        in_float: Names of layers that always stay in float.

    Returns:
        :func:`map_error` by name of the layer, largest first. Layers that are never called as modules are absent.
    """
    layers, bounds = quantized_layers(network, in_float), {}

    def widen(name: str, x: Tensor) -> None:
        low, high = bounds.get(name, (x.amin(), x.amax()))
        bounds[name] = torch.minimum(low, x.amin()), torch.maximum(high, x.amax())

    with watched_inputs(layers, widen):
        expected = torch_outputs(network, pairs)
    errors = {}
    for name, (low, high) in bounds.items():
        with rounded(layers[name], low.clone(), high.clone()):
            errors[name] = map_error(torch_outputs(network, pairs), expected)
    return dict(sorted(errors.items(), key=lambda item: -item[1]))
