"""Reads the tensors of a checkpoint without executing anything else in it.

A pickle is a program. ``torch.load(weights_only=True)`` rejects a file with unknown classes even if only its weights
are needed, and many projects save objects of their training, such as its settings, with the weights. This module reads
such files with an inert placeholder for every unknown name.
"""
from __future__ import annotations

import copyreg
import os
from typing import Any

from .stand_ins import TENSOR_FUNCTIONS as _ALLOWED  # noqa: F401 (what the file may call, for the tests)
from .torch_file import read_torch_file


def load_tensors_only(path: str | os.PathLike) -> tuple[Any, list[str]]:
    """Reads a file of ``torch.save`` without executing anything in it.

    Only tensors, plain values and containers are loaded. Every class or function in the file is replaced by a
    placeholder, which can be constructed, called and filled like in a pickle, but stores nothing and does nothing.

    Args:
        path: A local file in the zip format of torch 1.6 or in the older format.

    Returns:
        The saved content on the CPU, and the sorted names that were replaced, with special characters escaped.

    Raises:
        FileNotFoundError: If the file does not exist.
        ValueError: If the file is damaged, or is a TorchScript or tar archive, which torch does not read as a plain
            pickle.
    """
    copyreg.clear_extension_cache()
    try:
        content, replaced = read_torch_file(path, unknown=Placeholder)
    except FileNotFoundError as error:
        raise FileNotFoundError(f'checkpoint {path} does not exist') from error
    except Exception as error:  # a damaged or hostile file can fail anywhere
        reason = str(error).strip().split('\n')[0] or type(error).__name__
        raise ValueError(f'checkpoint {path} cannot be read as tensors only: {reason}') from error
    return content, sorted(replaced)


class Placeholder:
    """Placeholder for a class or function in the file, and for the objects it would have created.

    It has no attributes, so that later code cannot read a value from the file through it.
    """

    __slots__ = ()

    def __repr__(self) -> str:
        return '<an object in the file, not read>'
