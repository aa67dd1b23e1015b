"""Compares modules beyond their parameters."""
from __future__ import annotations

from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

#: Types of values that can be compared directly.
PLAIN = (bool, int, float, str, bytes, type(None), torch.dtype)


def difference(student: nn.Module, plain: nn.Module) -> str | None:
    """Looks for a difference in what two layers of the same shape compute.

    The place of a block may affect more than its weights: every second block of a Swin transformer shifts its windows.
    The function compares the classes and attributes of all submodules and the buffers that no checkpoint holds. It
    ignores drop rates and private attributes.

    Args:
        student: A layer of the student.
        plain: The layer in its place in a plain model.

    Returns:
        A description of the first difference, or ``None``.
    """
    mine, theirs = dict(student.named_modules()), dict(plain.named_modules())
    for name in {**mine, **theirs}:
        a, b = mine.get(name), theirs.get(name)
        if _drops(a) or _drops(b) or any(name.startswith(f'{path}.') for path, m in mine.items() if _drops(m)):
            continue
        if type(a) is not type(b):
            return f'{name or "its class"} is {type(a).__name__} instead of {type(b).__name__}'
        for key in sorted({*_attributes(a), *_attributes(b)}):
            x, y = (_attributes(module).get(key) for module in (a, b))
            if not _same(x, y):
                return f'{name}.{key} is {_short(x)} instead of {_short(y)}'.lstrip('.')
    return None


def _attributes(module: nn.Module) -> dict[str, Any]:
    values = {key: value for key, value in vars(module).items()
              if not key.startswith('_') and key not in ('training', 'init_cfg') and 'drop' not in key.lower()}
    buffers = {key: value for key, value in module._buffers.items() if key in module._non_persistent_buffers_set}
    return {**values, **buffers}


def _drops(module: nn.Module | None) -> bool:
    return module is not None and 'drop' in type(module).__name__.lower()


def _same(x: Any, y: Any) -> bool:
    if isinstance(x, Tensor) and isinstance(y, Tensor):
        return x.shape == y.shape and torch.equal(x.cpu(), y.cpu())
    if isinstance(x, (list, tuple)) and isinstance(y, (list, tuple)):
        return len(x) == len(y) and all(map(_same, x, y))
    if isinstance(x, dict) and isinstance(y, dict):
        return x.keys() == y.keys() and all(_same(x[key], y[key]) for key in x)
    if isinstance(x, PLAIN) or isinstance(y, PLAIN):
        return type(x) is type(y) and x == y
    if isinstance(x, partial) and isinstance(y, partial):
        return _same((x.func, x.args, x.keywords), (y.func, y.args, y.keywords))
    if callable(x) and callable(y) and not isinstance(x, nn.Module):
        return getattr(x, '__code__', x) == getattr(y, '__code__', y)
    return type(x) is type(y)  # other objects have no value to compare


def _short(value: Any) -> str:
    return f'a tensor {tuple(value.shape)}' if isinstance(value, Tensor) else repr(value)[:60]
