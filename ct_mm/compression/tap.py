"""Reads what modules inside a model put out, while the model's own forward runs."""
from __future__ import annotations

from contextlib import contextmanager
from typing import Any, Iterator, Sequence

from torch import Tensor, nn


@contextmanager
def tap_outputs(modules: Sequence[nn.Module]) -> Iterator[list[Any]]:
    """Collects the outputs of modules for as long as the context lasts.

    A context, not a permanent hook, because a teacher's layer serves two passes of one step (the one
    that gives the targets and the one along the path) and only one of them is to be read.

    Args:
        modules: What to listen to.

    Yields:
        One output for each module, in the order given; ``None`` until the module has run. A module
        that runs several times leaves its last output.
    """
    outputs: list[Any] = [None] * len(modules)

    def listen(index: int) -> Any:

        def hook(_module: nn.Module, _args: tuple, output: Any) -> None:
            outputs[index] = output

        return hook

    handles = [module.register_forward_hook(listen(index)) for index, module in enumerate(modules)]
    try:
        yield outputs
    finally:
        for handle in handles:
            handle.remove()


def first_tensor(output: Any, where: str) -> Tensor:
    """Finds the tokens in what a block returned: the tensor itself or the first tensor of a tuple.

    Args:
        output: Output of a block.
        where: Name of the block, for the error.

    Returns:
        The tensor.

    Raises:
        TypeError: If there is none.
    """
    for value in output if isinstance(output, (tuple, list)) else [output]:
        if isinstance(value, Tensor):
            return value
    if output is None:
        raise TypeError(f"{where} did not run: the model's forward in this mode does not come through it")
    raise TypeError(f'{where} gave no tensor to read tokens from, but {type(output).__name__}')
