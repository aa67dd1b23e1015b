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
    # The counter knows fused attention on CUDA only and would take it for free on a CPU; the plain kernels consist of
    # matrix products, which it counts everywhere.
    with torch.no_grad(), sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:
        run()
    return counter.get_total_flops()
