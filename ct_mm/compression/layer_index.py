"""Layers that know their own number."""
from __future__ import annotations

from collections.abc import Sequence

from torch import nn

#: Attributes by which modules keep the number of their layer, mostly to find their part of a cache.
INDEX_NAMES = ('layer_idx', 'layer_index', 'layer_id', 'layer_number', 'block_idx', 'block_index', 'block_id')


def renumber_layers(blocks: Sequence[nn.Module], layers: Sequence[nn.Module]) -> None:
    """Gives the student's layers numbers without gaps, as a model with fewer layers would.

    Args:
        blocks: The N blocks of a stack. An attribute is a number if it counts them one by one.
        layers: The student's layers, changed in place; some of the blocks, or others like them.
    """
    counted = []
    for path, module in blocks[0].named_modules():
        for name in INDEX_NAMES:
            first = getattr(module, name, None)
            if isinstance(first, int) and len(blocks) > 1 and all(
                    getattr(block.get_submodule(path), name, None) == first + i for i, block in enumerate(blocks)):
                counted.append((path, name, first))
    for path, name, first in counted:
        for i, layer in enumerate(layers):
            setattr(layer.get_submodule(path), name, first + i)
