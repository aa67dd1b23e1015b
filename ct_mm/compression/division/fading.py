"""A teacher's block whose residual branches fade out."""
from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from torch import nn


@dataclass(frozen=True)
class Fading:
    """Runs a block with scaled residual branches: at 1 the block is unchanged, at 0 it returns its input.

    Args:
        rate: Factor on what the block adds to its input, in [0, 1].
        writers: Names of the layers in the block whose outputs are added to the stream.

    Examples:
        >>> import torch
        >>> block = nn.TransformerEncoderLayer(8, 2, norm_first=True).eval()
        >>> x = torch.rand(3, 1, 8)
        >>> bool(torch.equal(Fading(0.0, ('self_attn', 'linear2'))(block, (x, ), {}), x))
        True
    """

    rate: float
    writers: Sequence[str]

    def __call__(self, block: nn.Module, args: tuple, kwargs: dict) -> Any:
        """Calls the block; other calls of it are not scaled."""
        handles = [block.get_submodule(name).register_forward_hook(self._scale) for name in self.writers]
        try:
            return block(*args, **kwargs)
        finally:
            for handle in handles:
                handle.remove()

    def _scale(self, _module: nn.Module, _args: tuple, output: Any) -> Any:
        if isinstance(output, tuple):  # such as an attention that also returns its map
            return (output[0] * self.rate, *output[1:])
        return output * self.rate
