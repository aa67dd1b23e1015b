"""What a tracker costs, counted and not timed: its layers, parameters and operations."""
from __future__ import annotations

import numpy as np
from torch import nn

from ct_mm import flops as operations
from ct_mm.tracking.models.trackers import BaseTracker


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


def count_flops(tracker: BaseTracker, image: np.ndarray, box: np.ndarray) -> int:
    """Floating point operations of the network for one frame.

    That is one ``track``: for a one-stream tracker, one pair of template and search region.

    Args:
        tracker: The tracker; it is started anew on the box.
        image: RGB uint8 (H, W, 3).
        box: A target, xywh in pixels.

    Returns:
        Operations of all matrix products and convolutions, attention included; a multiplication and an addition count
        as two (see :func:`ct_mm.flops.count_flops`).
    """
    tracker.init(image, box)
    return operations.count_flops(lambda: tracker.track(image))
