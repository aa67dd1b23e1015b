"""What a tracker costs, counted and not timed: its layers, parameters and operations."""
from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from torch import nn

from ct_mm.engine.flops import count_flops, count_module_flops
from ct_mm.tracking.models import BaseTracker


def count_layers(model: nn.Module) -> int | None:
    """Number of layers in a model's largest stack of layers.

    A stack is an ``nn.ModuleList`` or ``nn.Sequential`` of two or more entries of one class, or an
    ``nn.ModuleList`` of one. Only entries with parameters count: an entry that passes its input on is no layer.

    Args:
        model: A tracker; if it has a ``backbone``, only that is searched.

    Returns:
        The number, or ``None`` if there is no such stack.
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
    """Number of parameters of a model."""
    return sum(parameter.numel() for parameter in model.parameters())


def count_frame_flops(tracker: BaseTracker, image: np.ndarray, box: np.ndarray) -> int:
    """Floating point operations of the network for one frame.

    That is one ``track``: for a one-stream tracker, one pair of template and search region.

    Args:
        tracker: The tracker; it is started anew on the box.
        image: RGB uint8 (H, W, 3).
        box: A target, xywh in pixels.

    Returns:
        Operations of all matrix products and convolutions, attention included; a multiplication and an addition count
        as two (see :func:`ct_mm.engine.flops.count_flops`).
    """
    tracker.init(image, box)
    return count_flops(lambda: tracker.track(image))


#: Says what the numbers are.
MEANING = ('All matrix products and convolutions for one frame (one pair of template and search region), attention '
           'products included; FLOPs count a multiplication and an addition as two, MACs as one. Norms, activations, '
           'softmax and additions are not counted.')


@dataclass(frozen=True)
class PartCost:
    """One part of a tracker, such as its backbone.

    Args:
        name: Its path in the tracker; ``total`` for all of it.
        parameters: Number of its parameters.
        flops: Its operations for one frame; a multiplication and an addition count as two.
    """

    name: str
    parameters: int
    flops: int

    @property
    def macs(self) -> int:
        """Multiplications, each with its addition."""
        return self.flops // 2


@dataclass(frozen=True)
class NetworkCost:
    """A whole tracker.

    Args:
        layers: Layers of its largest stack, None if it has none.
        parts: Its parts in order.
        total: All of it.
    """

    layers: int | None
    parts: tuple[PartCost, ...]
    total: PartCost


def network_cost(tracker: BaseTracker) -> NetworkCost:
    """Counts what a tracker does for one frame.

    Args:
        tracker: The tracker; it is started anew on a made-up target.
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
