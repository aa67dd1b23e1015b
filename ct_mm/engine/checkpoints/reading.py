"""Reading checkpoints that others wrote, without running code from them."""
from __future__ import annotations

import errno
import os
import pickle
import re
import struct
import zipfile
import zlib
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from mmengine.dist import barrier, is_main_process
from mmengine.fileio import get_local_path
from mmengine.logging import HistoryBuffer
from mmengine.runner.checkpoint import CheckpointLoader
from torch import Tensor

from ct_mm.package_files import resolve_path

#: Under which key the usual trainers keep the weights in a checkpoint.
WEIGHT_KEYS = ('state_dict', 'net', 'model')


def read_checkpoint(path: str | os.PathLike, trust: bool = False, mapped: bool = False,
                    advice: str = 'read it with trust=True') -> Any:
    """Reads a checkpoint file as tensors and plain values only, its checksums checked.

    Args:
        path: A local path, one inside the package (``ct_mm::demo/...``), or anything that MMEngine's file
            backends can fetch.
        trust: Unpickle arbitrary objects too, which runs code from the file. Only for files of your own.
        mapped: Leave the tensors in the file, unchecked, until they are used: quick where only the rest is wanted.
        advice: What a user can do who trusts a file that holds more than tensors, for the error.

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
            if not mapped:
                check_sums(local)
            return torch.load(local, map_location='cpu', weights_only=not trust, mmap=mapped)
    except FileNotFoundError as error:
        raise FileNotFoundError(f'checkpoint {path} does not exist') from error
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.EIO):  # a place before the file's start; a disk that fails
            raise
        raise ValueError(f'checkpoint {path} is damaged: {error}') from error
    except pickle.UnpicklingError as error:
        refused = re.search(r'(?i)unsupported (?:global|class|operand)\W+[^\n]*?(?= was not| whose|$)', str(error))
        if refused is None:
            raise ValueError(f'checkpoint {path} is damaged or no checkpoint: {_last_line(error)}') from error
        raise ValueError(
            f'checkpoint {path} holds more than tensors ({refused.group()}), and reading that would run code from '
            f'the file. If you trust its source, {advice}; the converters in '
            f'tools/model_converters read its tensors alone with --ignore-objects') from error
    except (RuntimeError, EOFError, LookupError, TypeError, AttributeError, ValueError) as error:
        # a cut archive is a RuntimeError of torch's reader; other bytes fail wherever its unpickler trips over them
        raise ValueError(f'checkpoint {path} is damaged or cut short: {_last_line(error)}') from error


def read_state_dict(path: str | os.PathLike, trust: bool = False, **keywords: str) -> dict[str, Tensor]:
    """Reads the weights from a checkpoint, wherever the usual trainers put them.

    Args:
        path: See :func:`read_checkpoint`.
        trust: See :func:`read_checkpoint`.
        **keywords: See :func:`read_checkpoint`.

    Returns:
        Weights by name, without the prefix ``module.`` that a parallel wrapper leaves.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is damaged, not trusted, or holds no weights.
    """
    content = read_checkpoint(path, trust, **keywords)
    weights = find_weights(content)
    if weights is None:
        keys = sorted(map(str, content))[:10] if isinstance(content, Mapping) else type(content).__name__
        raise ValueError(f'checkpoint {path} holds no weights under {", ".join(WEIGHT_KEYS)} or at its top: {keys}')
    return weights


def check_sums(path: str | os.PathLike) -> None:
    """Compares a checkpoint with the checksums that ``torch.save`` put into it, which ``torch.load`` does not.

    A flipped bit in a weight is found by nothing else. Files of the format before torch 1.6 hold no checksums.

    Args:
        path: A local file.

    Raises:
        ValueError: If a part of the file is not what was written.
    """
    try:
        if not zipfile.is_zipfile(path):
            return
        with zipfile.ZipFile(path) as archive:
            # What is marked as a folder (0x10) torch does not read: the weight is whatever lies in the memory.
            folders = [part.filename for part in archive.infolist() if part.external_attr & 0x10]
            broken = folders[0] if folders else archive.testzip()
    except FileNotFoundError:
        raise
    except (zipfile.BadZipFile, zlib.error, OSError, NotImplementedError, RuntimeError, EOFError, ValueError,
            OverflowError, struct.error) as error:  # wherever the reader trips over what was changed
        raise ValueError(f'it is no whole archive: {error}') from error
    if broken is not None:
        raise ValueError(f'its part {broken} does not fit its checksum')


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


def let_mmengine_read_safely() -> None:
    """Has MMEngine read every checkpoint, local or behind an address, as :func:`read_checkpoint` does.

    By itself 0.10.12 and later unpickle, with a warning, whatever the safe way refuses, and so run code from the file;
    0.10.7 refuses, under torch >= 2.6, even the log history in its own checkpoints. Both run a text under
    ``meta.config`` as Python when a training goes on from the file.
    """
    CheckpointLoader.register_scheme(prefixes='', loader=load_from_local, force=True)
    CheckpointLoader.register_scheme(prefixes=('http://', 'https://'), loader=load_from_http, force=True)


def load_from_local(filename: str, map_location: Any = None) -> Any:
    """Reads a file for MMEngine, always to the CPU: whoever takes weights and states copies them to the device."""
    content = read_checkpoint(os.path.expanduser(filename))
    if isinstance(content, dict) and isinstance(content.get('meta'), dict):
        content['meta'].pop('config', None)  # MMEngine would run it; what it saves itself is called `cfg`
    return content


def load_from_http(filename: str, map_location: Any = None) -> Any:
    """Reads what lies behind an address for MMEngine, from where torch keeps such files."""
    cached = os.path.join(torch.hub.get_dir(), 'checkpoints', os.path.basename(filename.split('?')[0]))
    if is_main_process() and not os.path.exists(cached):
        os.makedirs(os.path.dirname(cached), exist_ok=True)
        torch.hub.download_url_to_file(filename, cached)
    barrier()
    return load_from_local(cached)


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
