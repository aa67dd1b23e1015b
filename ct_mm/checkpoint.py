"""Reading checkpoints that others wrote, and writing ours whole or not at all."""
from __future__ import annotations

import os
import pickle
import re
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmengine.fileio import get_local_path
from mmengine.logging import HistoryBuffer
from torch import Tensor

from ct_mm.paths import resolve_path

#: Under which key the usual trainers keep the weights in a checkpoint.
WEIGHT_KEYS = ('state_dict', 'net', 'model')


def read_checkpoint(path: str | os.PathLike, trust: bool = False) -> Any:
    """Reads a checkpoint file as tensors and plain values only.

    Args:
        path: A local path, one inside the package (``ct_mm::demo/...``), or anything that MMEngine's file
            backends can fetch.
        trust: Unpickle arbitrary objects too, which runs code from the file. Only for files of your own.

    Returns:
        What was saved, on the CPU.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If the file is damaged, or holds more than tensors and ``trust`` is not given. The
            message says which.
    """
    path = resolve_path(path)
    try:
        with get_local_path(path) as local, torch.serialization.safe_globals(_mmengine_globals()):
            return torch.load(local, map_location='cpu', weights_only=not trust)
    except FileNotFoundError as error:
        raise FileNotFoundError(f'checkpoint {path} does not exist') from error
    except pickle.UnpicklingError as error:
        refused = re.search(r'(?i)unsupported (?:global|class|operand)\W+[^\n]*?(?= was not| whose|$)', str(error))
        if refused is None:
            raise ValueError(f'checkpoint {path} is damaged or no checkpoint: {_last_line(error)}') from error
        raise ValueError(
            f'checkpoint {path} holds more than tensors ({refused.group()}), and reading that would run code from '
            f'the file. If you trust its source, set compress.trust_teacher=True; the converters in '
            f'tools/model_converters read its tensors alone with --ignore-objects') from error
    except (RuntimeError, EOFError, LookupError, TypeError, AttributeError, ValueError) as error:
        # a cut archive is a RuntimeError of torch's reader; other bytes fail wherever its unpickler trips over them
        raise ValueError(f'checkpoint {path} is damaged or cut short: {_last_line(error)}') from error


def read_state_dict(path: str | os.PathLike, trust: bool = False) -> dict[str, Tensor]:
    """Reads the weights from a checkpoint, wherever the usual trainers put them.

    Args:
        path: See :func:`read_checkpoint`.
        trust: See :func:`read_checkpoint`.

    Returns:
        Weights by name, without the prefix ``module.`` that a parallel wrapper leaves.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is damaged, not trusted, or holds no weights.
    """
    content = read_checkpoint(path, trust)
    weights = find_weights(content)
    if weights is None:
        keys = sorted(map(str, content))[:10] if isinstance(content, Mapping) else type(content).__name__
        raise ValueError(f'checkpoint {path} holds no weights under {", ".join(WEIGHT_KEYS)} or at its top: {keys}')
    return weights


def find_weights(content: Any) -> dict[str, Tensor] | None:
    """Finds the weights in what a checkpoint held.

    Args:
        content: What was saved.

    Returns:
        Tensors by name without the prefix ``module.``, or ``None`` if there are none.
    """
    if not isinstance(content, Mapping):
        return None
    for candidate in (*(content.get(key) for key in WEIGHT_KEYS), content):
        if isinstance(candidate, Mapping):
            tensors = {str(k): v for k, v in candidate.items() if isinstance(v, Tensor)}
            if tensors:
                return {key[len('module.'):] if key.startswith('module.') else key: v for key, v in tensors.items()}
    return None


def save_checkpoint(content: Any, path: str | os.PathLike) -> None:
    """Writes a file under a temporary name and renames it, so that no reader ever sees half of it.

    Args:
        content: What to save.
        path: Where; missing folders are made.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f'.{path.name}.')
    try:
        with os.fdopen(handle, 'wb') as stream:
            torch.save(content, stream)
            stream.flush()
            os.fsync(stream.fileno())
        os.chmod(temporary, 0o644)  # mkstemp keeps files to their owner
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise


def _mmengine_globals() -> list[Any]:
    # What MMEngine's own checkpoints hold beside tensors: logged scalars, as buffers over numpy arrays.
    multiarray = getattr(np, '_core', None) or np.core
    dtypes = [type(np.dtype(name)) for name in ('float32', 'float64', 'int32', 'int64', 'bool', 'uint8')]
    # A buffer pickles its methods as getattr(HistoryBuffer, name); only that one use of getattr is let through.
    history = [HistoryBuffer, (_history_method, 'builtins.getattr')]
    arrays = [np.ndarray, np.dtype, multiarray.multiarray._reconstruct, multiarray.multiarray.scalar]
    return [*history, *arrays, *dtypes]


def _history_method(owner: Any, name: str) -> Any:
    if owner is not HistoryBuffer or name.startswith('_'):
        raise pickle.UnpicklingError(f'Unsupported global: getattr of {owner}')
    return getattr(HistoryBuffer, name)


def _last_line(error: Exception) -> str:
    # torch puts advice on unsafe loading before the reason
    lines = [line for line in str(error).splitlines() if line.strip() and 'documentation' not in line]
    return lines[-1].strip() if lines else type(error).__name__
