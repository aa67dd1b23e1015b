"""Counts floating point operations, including those of attention."""
from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode


def count_flops(run: Callable[[], Any]) -> int:
    """Counts the floating point operations of all matrix products and convolutions of a call.

    Args:
        run: The function to count; called once, without gradients.

    Returns:
        The number of operations; a multiplication and an addition count as two.

    Examples:
        >>> layer = torch.nn.Linear(3, 5)
        >>> count_flops(lambda: layer(torch.ones(2, 3)))  # 2 rows, 3 inputs, 5 outputs, 2 operations each
        60
    """
    return count_module_flops(run)['']


def count_module_flops(run: Callable[[], Any]) -> dict[str, int]:
    """Counts the floating point operations of each module in a call, see :func:`count_flops`.

    Args:
        run: The function to count; called once, without gradients. It must call a module, or the parts cannot be told
            apart.

    Returns:
        The number of operations by module path, relative to the outermost module; the total is under ``''``.
    """
    # On a CPU the counter ignores fused attention, which it knows on CUDA only. The math kernels consist of matrix
    # products, which it counts everywhere.
    with torch.no_grad(), sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:
        run()
    counts = {path.partition('.')[2]: sum(operations.values()) for path, operations in counter.get_flop_counts().items()
              if '.' in path}
    return {**counts, '': counter.get_total_flops()}
