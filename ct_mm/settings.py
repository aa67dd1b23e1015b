"""Checks settings against the signature of what takes them, before it is built."""
from __future__ import annotations

import functools
import inspect
import math
import types
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from numbers import Integral, Number, Real
from typing import Any, Union, get_args, get_origin, get_type_hints

#: What no setting of these names may be below, whichever class takes it.
AT_LEAST = dict(loss_weight=0, seed=0, max_epochs=1, max_iters=1, val_interval=1)
_PLAIN = (str, bytes, Number, list, tuple, Mapping, type(None))


def checked(kind: type) -> type:
    """Makes a class check its arguments, see :func:`check_settings`; for use as a decorator.

    Args:
        kind: A class with an ``__init__`` of its own, annotated.

    Returns:
        The same class.

    Examples:
        >>> @checked
        ... class Crop:
        ...     def __init__(self, size: int = 8) -> None:
        ...         self.size = size
        >>> Crop(size=True)
        Traceback (most recent call last):
        ...
        ValueError: Crop: size=True must be int
    """
    init = kind.__init__
    signature = inspect.signature(init)
    takes_any = any(p.kind is p.VAR_KEYWORD for p in signature.parameters.values())

    @functools.wraps(init)
    def checking(self: Any, *args: Any, **kwargs: Any) -> None:
        known = accepted_by(init)
        given = dict(zip(list(signature.parameters)[1:], args), **kwargs)
        check_settings({name: given[name] for name in given if name in known or not takes_any}, known,
                       f'{kind.__name__}: ')
        init(self, *args, **kwargs)

    kind.__init__ = checking
    return kind


@functools.cache
def accepted_by(taker: Any) -> dict[str, Any]:
    """The settings that a class or function takes by name, each with its annotation."""
    function = taker.__init__ if isinstance(taker, type) else taker
    hints = get_type_hints(function)
    return {name: hints.get(name, Any) for name, parameter in inspect.signature(function).parameters.items()
            if name != 'self' and parameter.kind in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY)}


def check_settings(given: Mapping[str, Any], accepted: Mapping[str, Any], where: str) -> None:
    """Checks the names and types of settings, and refuses NaN and what is below :data:`AT_LEAST`.

    Args:
        given: The settings by name.
        accepted: The annotation of each setting that exists.
        where: What to write in front of a name in an error, such as ``compress.step.``.

    Raises:
        ValueError: If a setting is unknown or does not fit; the message names it and what it must be.
    """
    for name, value in given.items():
        if name not in accepted:
            close = get_close_matches(str(name), accepted, n=1)
            raise ValueError(f'{where}{name} is unknown{f"; did you mean {close[0]}?" if close else ""} '
                             f'(known: {", ".join(accepted) or "none"})')
        if not _fits(value, accepted[name]):
            kind = inspect.formatannotation(accepted[name]).replace('collections.abc.', '').replace('Sequence', 'list')
            raise ValueError(f'{where}{name}={value!r} must be {kind}')
        lowest = AT_LEAST.get(name)
        if lowest is not None and isinstance(value, Real) and not lowest <= value < math.inf:
            raise ValueError(f'{where}{name}={value!r} must be a finite number of at least {lowest}')


def _fits(value: Any, hint: Any) -> bool:
    kind, arguments = get_origin(hint) or hint, get_args(hint)
    if kind in (Union, types.UnionType):
        return any(_fits(value, choice) for choice in arguments)
    if kind is Any or not isinstance(kind, type):
        return True
    if kind in (int, float):  # a bool is a number to Python, but a mistake in a config
        number = isinstance(value, Integral if kind is int else Real) and not isinstance(value, bool)
        return number and not math.isnan(value)
    if issubclass(kind, Sequence) and kind is not str:
        if not isinstance(value, Sequence) or isinstance(value, str):
            return False
        if kind is tuple and arguments and ... not in arguments:
            return len(value) == len(arguments) and all(map(_fits, value, arguments))
        return not arguments or all(_fits(item, arguments[0]) for item in value)
    if issubclass(kind, Mapping) and isinstance(value, Mapping):
        return not arguments or all(_fits(item, arguments[1]) for item in value.values())
    return isinstance(value, kind) or not isinstance(value, _PLAIN)  # what stands for a config may be built already
