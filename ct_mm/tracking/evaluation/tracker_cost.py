"""Counts the layers, the parameters and the operations of a tracker."""
from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from torch import nn

from ct_mm.engine.flops import count_flops, count_module_flops
from ct_mm.tracking.models import BaseTracker


def count_layers(model: nn.Module) -> int | None:
    """Counts the layers in a model's largest stack of layers.

    A stack is an ``nn.ModuleList`` or ``nn.Sequential`` of two or more entries of the same class, or an
    ``nn.ModuleList`` of one entry. Only entries with parameters count as layers.

    Args:
        model: A tracker; if it has a ``backbone``, only this is searched.

    Returns:
        The number of layers, or ``None`` if there is no stack.
    """
    stacks = []
    for module in getattr(model, 'backbone', model).modules():
        entries = list(module) if isinstance(module, (nn.ModuleList, nn.Sequential)) else []
        if len(entries) >= (1 if isinstance(module, nn.ModuleList) else 2) and len({type(e) for e in entries}) == 1:
            sizes = [sum(parameter.numel() for parameter in entry.parameters()) for entry in entries]
            stacks.append((sum(sizes), sum(size > 0 for size in sizes)))
    total, layers = max(stacks, key=lambda stack: stack[0], default=(0, 0))
    return layers if total else None


def count_parameters(model: nn.Module) -> int:
    """Counts the parameters of a model."""
    return sum(parameter.numel() for parameter in model.parameters())


def count_frame_flops(tracker: BaseTracker, image: np.ndarray, box: np.ndarray) -> int:
    """Counts the floating point operations of ``track`` for one frame.

    For a one-stream tracker, this is one pair of template and search region.

    Args:
        tracker: The tracker; it is restarted on the box.
        image: Frame, RGB uint8 (H, W, 3).
        box: Target, xywh in pixels.

    Returns:
        Operations of all matrix products and convolutions, including attention; a multiplication and an addition count
        as two (see :func:`ct_mm.engine.flops.count_flops`).
    """
    tracker.init(image, box)
    return count_flops(lambda: tracker.track(image))


#: Explanation of the numbers.
MEANING = ('All matrix products and convolutions for one frame (one pair of template and search region), attention '
           'products included; FLOPs count a multiplication and an addition as two, MACs as one. Norms, activations, '
           'softmax and additions are not counted.')


@dataclass(frozen=True)
class PartCost:
    """Cost of one part of a tracker, such as its backbone.

    Args:
        name: Name of the part; ``total`` for the whole tracker.
        parameters: Number of parameters.
        flops: Operations per frame; a multiplication and an addition count as two.
    """

    name: str
    parameters: int
    flops: int

    @property
    def macs(self) -> int:
        """Multiply-accumulate operations per frame."""
        return self.flops // 2


@dataclass(frozen=True)
class NetworkCost:
    """Cost of a whole tracker.

    Args:
        layers: Number of layers of the largest stack, None if there is no stack.
        parts: Costs of the parts in order.
        total: Cost of the whole tracker.
    """

    layers: int | None
    parts: tuple[PartCost, ...]
    total: PartCost


def network_cost(tracker: BaseTracker) -> NetworkCost:
    """Counts the cost of a tracker for one frame, in total and by part.

    Args:
        tracker: The tracker; it is restarted on an arbitrary target.
    """
    image = np.zeros((480, 640, 3), np.uint8)
    tracker.init(image, np.array([280., 200., 80., 80.]))
    flops = count_module_flops(lambda: tracker.track(image))
    parts = tuple(PartCost(name, count_parameters(part), flops.get(name, 0)) for name, part in tracker.named_children())
    parts = tuple(part for part in parts if part.parameters or part.flops)
    total = PartCost('total', count_parameters(tracker), flops[''])
    others = PartCost('others', total.parameters - sum(part.parameters for part in parts),
                      total.flops - sum(part.flops for part in parts))
    return NetworkCost(count_layers(tracker), parts + ((others, ) if others.parameters or others.flops else ()), total)
