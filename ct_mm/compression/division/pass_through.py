"""What a skipped block returns, so that the model around it does not notice."""
from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import _disable_current_modes
from torch.utils._pytree import tree_map

from ..batch import describe, eval_mode

#: An argument of a block: the index of a positional one or the name of a keyword.
Argument = int | str


class PassThrough:
    """Returns, in place of a skipped block, what a block that changes nothing would return.

    A block may define this itself, with a method ``pass_through`` that takes its arguments. Otherwise the first skipped
    block decides for its stack: a layer runs once on a copy of the arguments, without gradient and in eval mode, and
    the return value is matched with the arguments. A tensor stands for the first tensor argument, or for the only one
    of its shape. The first element of a tuple is matched in the same way; every other element must be ``None`` or the
    same object as one argument. Anything else, such as an attention map, cannot be produced without the block.

    Args:
        returns: What to return, if it is not to be detected: one argument, or, for blocks that return a tuple, an
            argument or ``None`` for each element. An argument is its index (keyword arguments follow the positional
            ones in their order) or its keyword.

    Examples:
        >>> rule = PassThrough((0, None))
        >>> rule(('tokens', 'mask'), {})
        ('tokens', None)
    """

    def __init__(self, returns: Argument | Sequence[Argument | None] | None = None) -> None:
        self.returns = returns if returns is None or isinstance(returns, (int, str)) else tuple(returns)
        self._kind: type = tuple  # or list

    def __call__(self, args: tuple, kwargs: dict) -> Any:
        """Computes the return value of a skipped block.

        Args:
            args: Positional arguments of the block.
            kwargs: Keyword arguments of the block.

        Returns:
            A tensor, tuple or list, as the block itself would return.

        Raises:
            TypeError: If ``returns`` names an argument that the block was not given.
        """
        given = {None: None, **dict(enumerate((*args, *kwargs.values()))), **kwargs}
        entries = self.returns if isinstance(self.returns, tuple) else (self.returns, )
        if not given.keys() >= set(entries):
            raise TypeError(f'compress.pass_through={self.returns!r} names an argument that the block was not given; '
                            f'it has {len(args)} positional ones and {sorted(kwargs) or "none by keyword"}')
        values = self._kind(given[entry] for entry in entries)
        return values if isinstance(self.returns, tuple) else values[0]

    def find(self, layers: Sequence[nn.Module], args: tuple, kwargs: dict) -> None:
        """Detects what to return, see the class.

        Args:
            layers: Layers of the same kind. If one is unclear, for example because it drops tokens, the next is tried.
            args: Positional arguments for the layers.
            kwargs: Keyword arguments.

        Raises:
            TypeError: If every layer is unclear.
        """
        unclear = None
        for layer in layers:
            try:
                return self._find(layer, args, kwargs)
            except TypeError as error:
                unclear = unclear or error
        raise unclear

    def _find(self, layer: nn.Module, args: tuple, kwargs: dict) -> None:
        args, kwargs = tree_map(lambda v: v.detach().clone() if isinstance(v, Tensor) else v, (args, kwargs))
        named = _named(args, kwargs)
        shapes = {entry: v.shape for entry, v in named.items() if isinstance(v, Tensor)}  # before a call that writes
        with _aside(layer):
            output = layer(*args, **kwargs)
        if isinstance(output, Tensor):
            self.returns = _same_shape(layer, output, output, shapes)
        elif type(output) in (tuple, list) and output:
            rest = [_same_object(layer, output, i, named) for i in range(1, len(output))]
            self.returns = (_same_shape(layer, output, output[0], shapes), *rest)
            self._kind = type(output)
        else:
            raise _unclear(layer, output, 'that kind of return value is not known')

    def check(self, layer: nn.Module, output: Any) -> None:
        """Compares what a layer returned with what the skipped blocks of its stack return.

        Args:
            layer: The layer.
            output: What it returned.

        Raises:
            TypeError: If one is a tensor and the other a tuple, or the tuples have different lengths.
        """
        expected = len(self.returns) if isinstance(self.returns, tuple) else None
        given = len(output) if isinstance(output, (tuple, list)) else None
        if self.returns is not None and expected != given:
            raise TypeError(f'{type(layer).__name__} returned {describe(output)}, but skipped blocks return '
                            f'compress.pass_through={self.returns!r}')

    def stream(self, args: tuple, kwargs: dict) -> Argument:
        """Returns the argument with the tokens: the one that the first element of the return value stands for."""
        first = self.returns[0] if isinstance(self.returns, tuple) else self.returns
        if first is not None:
            return first
        return next(entry for entry, value in _named(args, kwargs).items() if isinstance(value, Tensor))


@contextmanager
def _aside(layer: nn.Module) -> Iterator[None]:
    """Lets a call leave no trace: no gradients, dropout or statistics, and no operation counter sees it."""
    caches = torch.is_autocast_cache_enabled()
    torch.set_autocast_cache_enabled(False)  # a weight cast without gradient must not serve the call that needs one
    try:
        with eval_mode(layer), torch.no_grad(), _disable_current_modes():
            yield
    finally:
        torch.set_autocast_cache_enabled(caches)


def _named(args: tuple, kwargs: dict) -> dict[Argument, Any]:
    return {**dict(enumerate(args)), **kwargs}


def _same_shape(layer: nn.Module, output: Any, element: Any, shapes: dict[Argument, torch.Size]) -> Argument:
    """Finds the first tensor argument if it has the shape of an element, else the only one that has."""
    if not shapes:
        raise TypeError('a block was called without any tensor argument, so there is nothing to pass through')
    fitting = [entry for entry, shape in shapes.items() if isinstance(element, Tensor) and shape == element.shape]
    if fitting and (fitting[0] == next(iter(shapes)) or len(fitting) == 1):
        return fitting[0]
    raise _unclear(layer, output, f'its tokens do not have the shape of one tensor argument; the arguments have '
                   f'{[tuple(shape) for shape in shapes.values()]}')


def _same_object(layer: nn.Module, output: Any, index: int, named: dict[Argument, Any]) -> Argument | None:
    element = output[index]
    if element is None:
        return None
    plain = isinstance(element, (bool, int, float, str, torch.Size)) or (
        isinstance(element, (tuple, list)) and all(isinstance(item, (int, float)) for item in element))
    found = [entry for entry, value in named.items()
             if value is element or (plain and type(value) is type(element) and value == element)]
    if len(found) == 1:
        return found[0]
    raise _unclear(layer, output, f'its element {index} is {"none" if not found else "more than one"} of its arguments')


def _unclear(layer: nn.Module, output: Any, why: str) -> TypeError:
    return TypeError(f'{type(layer).__name__} returns {describe(output)}, and {why}; set compress.pass_through to '
                     f'what a skipped block should return, e.g. (0, None) for a tuple of its first argument and None')
