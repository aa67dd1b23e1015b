"""What each part of a tracker costs, counted and not timed."""
from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ct_mm.flops import count_module_flops
from ct_mm.tracking.evaluation.tracker_cost import count_layers, count_parameters
from ct_mm.tracking.models.trackers import BaseTracker

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
