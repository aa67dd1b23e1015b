"""Settings that are one value for all stacks or a list with one for each."""
from __future__ import annotations

from typing import Any


class PerStack(list):
    """One value for each stack, resolved: a list of this kind is never taken for the value of one stack."""

    @classmethod
    def of(cls, name: str, value: Any, count: int, depth: int = 0) -> PerStack:
        """Gives each stack its value.

        Args:
            name: Of the setting, for the error.
            value: One value for all stacks, or a list (or tuple) with one for each.
            count: Number of stacks.
            depth: 1 if the value for one stack is a list itself, so that only a list with lists inside is one for each.

        Returns:
            ``count`` values.

        Raises:
            ValueError: If a list has not one value for each stack.
        """
        listed = isinstance(value, (list, tuple))
        inner = listed and any(isinstance(item, (list, tuple)) for item in value)
        if not listed or (depth and not inner and not isinstance(value, PerStack)):
            return cls([value] * count)
        if len(value) != count:
            raise ValueError(f'{name}={value!r} has {len(value)} values for {count} stacks of layers')
        return cls(value)
