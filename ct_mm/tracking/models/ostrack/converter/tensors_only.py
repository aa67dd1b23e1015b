"""Reads the tensors of a checkpoint whose other contents must not run.

A pickle is a program. ``torch.load(weights_only=True)`` refuses a file that names a class it does not
know, even where the weights beside it are all that is wanted: trackers of the PyTracking family save
their training settings with the weights. Here such a file is read with every unknown name standing for
an object that does nothing.
"""
from __future__ import annotations

import copyreg
import os
from typing import Any

from ct_mm.engine.checkpoints.stand_ins import TENSOR_FUNCTIONS as _ALLOWED  # noqa: F401 (what the file may call, for the tests)
from ct_mm.engine.checkpoints.torch_file import read_torch_file


def load_tensors_only(path: str | os.PathLike) -> tuple[Any, list[str]]:
    """Reads a file of ``torch.save`` without running anything from it.

    Only tensors, plain values and containers come back as themselves. Any class or function that the
    file names is replaced by a placeholder, which can be built, called and filled as a pickle does it,
    keeps nothing and does nothing.

    Args:
        path: A local file, in the zip format of torch 1.6 or the older one.

    Returns:
        What was saved, on the CPU, and the names that were replaced, sorted, special characters escaped.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If the file is damaged, or is a TorchScript archive or a tar archive, which torch would
            read by other means than the pickle alone.
    """
    copyreg.clear_extension_cache()
    try:
        content, replaced = read_torch_file(path, unknown=Placeholder)
    except FileNotFoundError as error:
        raise FileNotFoundError(f'checkpoint {path} does not exist') from error
    except Exception as error:  # a damaged or hostile file fails wherever something is not as it must be
        reason = str(error).strip().split('\n')[0] or type(error).__name__
        raise ValueError(f'checkpoint {path} cannot be read as tensors only: {reason}') from error
    return content, sorted(replaced)


class Placeholder:
    """Stands for a class or function of the file, and for whatever that would have made.

    It has no attributes to fill, so nothing that reads one later can meet a value from the file.
    """

    __slots__ = ()

    def __repr__(self) -> str:
        return '<an object of the file, not read>'
