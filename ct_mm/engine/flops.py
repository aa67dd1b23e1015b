"""Counts the operations of whatever runs, attention products included."""
from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode


def count_flops(run: Callable[[], Any]) -> int:
    """Floating point operations of all matrix products and convolutions of a call.

    Args:
        run: Called once, without gradient.

    Returns:
        Operations; a multiplication and an addition count as two.
    """
    return count_module_flops(run)['']


def count_module_flops(run: Callable[[], Any]) -> dict[str, int]:
    """The same for each module that takes part.

    Args:
        run: Called once, without gradient. What it calls must be a module for its parts to be told apart.

    Returns:
        Operations by the path of the module inside of the outermost one; all of them under ``''``.
    """
    # The counter knows fused attention on CUDA only and would take it for free on a CPU; the plain kernels consist of
    # matrix products, which it counts everywhere.
    with torch.no_grad(), sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:
        run()
    counts = {path.partition('.')[2]: sum(operations.values()) for path, operations in counter.get_flop_counts().items()
              if '.' in path}
    return {**counts, '': counter.get_total_flops()}
