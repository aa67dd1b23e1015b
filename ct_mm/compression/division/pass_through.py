"""What a skipped block hands on, so that the model around it does not notice."""
from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import _disable_current_modes
from torch.utils._pytree import tree_map

#: An argument of a block: the index of a positional one or the name of one given by keyword.
Argument = int | str


class PassThrough:
    """Hands on, in a skipped block's place, what a block that changes nothing would return.

    A block may say so itself, with a method ``pass_through`` that takes its arguments. Else the first block that is
    skipped settles it for its stack: a layer is run aside once, without gradient and in eval mode, and the
    kind of its return value is compared with its arguments. A tensor stands for the first tensor argument, or the only
    one of its shape. In a tuple the first element is found like that; each further one must be ``None`` or the very
    object of one argument. Whatever else there is, an attention map for example, cannot be made up.

    Args:
        returns: What to hand on, if it is not to be found out: one argument, or for blocks that return a tuple one
            entry for each element, an argument or ``None``. Arguments are indices of positional ones (those by keyword
            follow in their order) or keywords.
    """

    def __init__(self, returns: Argument | Sequence[Argument | None] | None = None) -> None:
        self.returns = returns if returns is None or isinstance(returns, (int, str)) else tuple(returns)
        self._kind: type = tuple  # or list

    def __call__(self, args: tuple, kwargs: dict) -> Any:
        """Gives the return value of a skipped block.

        Args:
            args: Positional arguments of the block.
            kwargs: Keyword arguments of the block.

        Returns:
            As the block's own: a tensor, or a tuple or list.

        Raises:
            TypeError: If ``returns`` names an argument that the block was not given.
        """
        if isinstance(self.returns, tuple):
            return self._kind(None if entry is None else self._argument(entry, args, kwargs) for entry in self.returns)
        return self._argument(self.returns, args, kwargs)

    def find(self, layers: Sequence[nn.Module], args: tuple, kwargs: dict) -> None:
        """Finds out what to hand on, see above.

        Args:
            layers: Layers of the same kind. One that drops tokens does not tell; then the next is asked.
            args: Positional arguments that they can be called with.
            kwargs: Keyword arguments.

        Raises:
            TypeError: If none makes it clear.
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
        named = dict(_named(args, kwargs))
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
        """Compares what a layer did return with what its neighbours, skipped, hand on.

        Args:
            layer: The layer.
            output: What it returned.

        Raises:
            TypeError: If one is a tensor and the other a tuple, or the tuples have different lengths.
        """
        if self.returns is None:
            return
        expected = len(self.returns) if isinstance(self.returns, tuple) else None
        given = len(output) if isinstance(output, (tuple, list)) else None
        if expected != given:
            raise TypeError(f'{type(layer).__name__} returned {_describe(output)}, but skipped blocks hand on '
                            f'compress.pass_through={self.returns!r}')

    def stream(self, args: tuple, kwargs: dict) -> Argument:
        """The argument that holds the tokens: what the first element of the return value stands for."""
        first = self.returns[0] if isinstance(self.returns, tuple) else self.returns
        if first is not None:
            return first
        return next(entry for entry, value in _named(args, kwargs) if isinstance(value, Tensor))

    def _argument(self, entry: Argument, args: tuple, kwargs: dict) -> Any:
        values = (*args, *kwargs.values())
        if isinstance(entry, str) and entry in kwargs:
            return kwargs[entry]
        if isinstance(entry, int) and entry < len(values):
            return values[entry]
        raise TypeError(f'compress.pass_through={self.returns!r} names an argument that the block was not given; '
                        f'it has {len(args)} positional ones and {sorted(kwargs) or "none by keyword"}')


@contextmanager
def _aside(layer: nn.Module) -> Iterator[None]:
    """A call that leaves no trace: no gradient, no dropout, no statistics, and none that counts operations sees it."""
    modes = [(module, module.training) for module in layer.modules()]
    caches = torch.is_autocast_cache_enabled()
    layer.eval()
    torch.set_autocast_cache_enabled(False)  # a weight cast without gradient must not serve the call that needs one
    try:
        with torch.no_grad(), _disable_current_modes():
            yield
    finally:
        torch.set_autocast_cache_enabled(caches)
        for module, training in modes:
            module.training = training


def _named(args: tuple, kwargs: dict) -> list[tuple[Argument, Any]]:
    return [*enumerate(args), *kwargs.items()]


def _same_shape(layer: nn.Module, output: Any, element: Any, shapes: dict[Argument, torch.Size]) -> Argument:
    """The first tensor argument if it has the shape of an element, else the only one that has."""
    if not shapes:
        raise TypeError('a block was called without any tensor argument, so there is nothing to pass through')
    fitting = [entry for entry, shape in shapes.items() if isinstance(element, Tensor) and shape == element.shape]
    if fitting and (fitting[0] == next(iter(shapes)) or len(fitting) == 1):
        return fitting[0]
    raise _unclear(layer, output, 'its tokens have not the shape of one tensor argument, '
                   f'which are {[tuple(shape) for shape in shapes.values()]}')


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
    return TypeError(
        f'{type(layer).__name__} returns {_describe(output)}, and {why}; say with compress.pass_through what a skipped '
        f'block hands on, e.g. (0, None) for a tuple of its first argument and None')


def _describe(value: Any) -> str:
    if isinstance(value, Tensor):
        return f'a tensor {tuple(value.shape)}'
    if isinstance(value, (tuple, list)):
        return f'a {type(value).__name__} of {len(value)} ({", ".join(map(_describe, value))})'
    return 'None' if value is None else f'a {type(value).__name__}'
