"""Reads what modules inside a model receive and return, while the model's own forward runs."""
from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_flatten, tree_unflatten


@contextmanager
def tap_outputs(modules: Sequence[nn.Module], with_inputs: bool = False) -> Iterator[list[list[Any]]]:
    """Collects the outputs of modules for as long as the context lasts.

    This is a context and not a permanent hook, because a teacher's layer takes part in two passes of one step (the one
    that gives the targets and the one along the path) and only one of them is read.

    Args:
        modules: The modules to listen to.
        with_inputs: Collect ``(args, kwargs, output)`` instead of the output.

    Yields:
        For each module the outputs of its calls so far, in order.

    Examples:
        >>> layer = nn.Linear(2, 3)
        >>> with tap_outputs([layer]) as [calls]:
        ...     output = layer(torch.zeros(1, 2))
        >>> calls[0] is output
        True
    """
    calls: list[list[Any]] = [[] for _ in modules]

    def listen(module: nn.Module, seen: list[Any]) -> Any:
        return module.register_forward_hook(
            lambda _, args, kwargs, output: seen.append((args, kwargs, output) if with_inputs else output),
            with_kwargs=True)

    handles = [listen(module, seen) for module, seen in zip(modules, calls)]
    try:
        yield calls
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
        TypeError: If there is no tensor.
    """
    for value in output if isinstance(output, (tuple, list)) else [output]:
        if isinstance(value, Tensor):
            return value
    raise TypeError(f'{where} returned no tensor to read tokens from, but a {type(output).__name__}')


def join_calls(calls: Sequence[Any]) -> Any:
    """Joins the outputs of several calls along the batch, so that a loss on them covers every call.

    Args:
        calls: The outputs, at least one.

    Returns:
        One output of the same structure, or a list of all if they differ in more than the values of their tensors.
    """
    if len(calls) == 1:
        return calls[0]
    flat, specs = zip(*map(tree_flatten, calls))
    leaves = list(zip(*flat))
    if any(spec != specs[0] for spec in specs) or not all(
            isinstance(leaf, Tensor) and leaf.dim() and leaf.shape == group[0].shape
            for group in leaves for leaf in group):
        return list(calls)
    return tree_unflatten([torch.cat(group) for group in leaves], specs[0])
