"""Checks of values that come from a config or from a file."""
from __future__ import annotations

from typing import Any


def check_number(name: str, value: Any, low: float, high: float) -> None:
    """Checks a number.

    Raises:
        ValueError: It is no number, or it lies outside of ``low`` to ``high``; the message has its name.
    """
    if type(value) not in (int, float) or not low <= value <= high:  # NaN fails every comparison
        raise ValueError(f'{name} must be a number from {low:g} to {high:g}, not {shorten(value)}')


def check_whole(name: str, value: Any, low: int, high: int) -> None:
    """Checks a whole number.

    Raises:
        ValueError: It is no whole number, or it lies outside of ``low`` to ``high``; the message has its name.
    """
    if type(value) is not int or not low <= value <= high:
        raise ValueError(f'{name} must be a whole number from {low:g} to {high:g}, not {shorten(value)}')


def check_choice(name: str, value: Any, choices: tuple) -> None:
    """Checks a value that must be one of a few, of the same type.

    Raises:
        ValueError: It is none of them; the message has its name.
    """
    if not any(type(value) is type(choice) and value == choice for choice in choices):
        raise ValueError(f'{name} must be one of {", ".join(map(repr, choices))}, not {shorten(value)}')


def build(kinds: dict[str, type], what: str, data: Any) -> Any:
    """Builds an object from plain data, ``dict(type=KIND, ...)``.

    Args:
        kinds: Classes by their kind.
        what: What is built, for error messages.
        data: The data.

    Raises:
        ValueError: The data is no such dict, its kind is unknown, or the class refuses a value.
    """
    if type(data) is not dict or type(data.get('type')) is not str or data['type'] not in kinds:
        raise ValueError(f'{what} must be a dict whose type is one of {", ".join(kinds)}, not {shorten(data)}')
    values = {key: value for key, value in data.items() if key != 'type'}
    try:
        return kinds[data['type']](**values)
    except TypeError as error:
        raise ValueError(f'{what} {data["type"]}: {error}') from error


def shorten(value: Any) -> str:
    """Returns a value as ASCII text of at most 60 characters."""
    return ascii(value)[:60]
