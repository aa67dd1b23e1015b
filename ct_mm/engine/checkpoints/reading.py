"""Reading checkpoints that others wrote, without running code from them."""
from __future__ import annotations

import errno
import os
import re
import zipfile
from collections.abc import Iterable, Mapping
from functools import partial, update_wrapper
from typing import Any

import torch
from mmengine.dist import barrier, is_main_process
from mmengine.fileio import get_local_path
from mmengine.runner.checkpoint import CheckpointLoader
from torch import Tensor, nn

from ct_mm.engine.checkpoints.stand_ins import ForeignObjectError
from ct_mm.engine.checkpoints.torch_file import check_entries, check_sums, read_torch_file
from ct_mm.package_files import resolve_path

#: Under which key the usual trainers keep the weights in a checkpoint, the first that holds any.
WEIGHT_KEYS = ('state_dict', 'net', 'model', 'ema', 'module')
#: What wrappers put in front of every name: parallel training, torch.compile, a module around the model.
_WRAPPERS = re.compile(r'module\.|model\.|_orig_mod\.')
#: The counter of an averaged model.
_COUNTERS = ('steps', 'n_averaged')


def read_checkpoint(path: str | os.PathLike, trust: bool = False, mapped: bool = False,
                    advice: str = 'read it with trust=True', model_bytes: int | None = None) -> Any:
    """Reads a checkpoint file as tensors and plain values only, its checksums checked.

    Args:
        path: A local path, one inside the package (``ct_mm::demo/...``), or anything that MMEngine's file
            backends can fetch; files in the safetensors format are read too, whatever their suffix.
        trust: Unpickle arbitrary objects too, which runs code from the file. Only for files of your own.
        mapped: Leave the numbers in the file, unchecked: quick where only the rest is wanted.
        advice: What a user can do who trusts a file that holds more than tensors, for the error.
        model_bytes: What the model that the weights are for takes (:func:`bytes_of_model`), which limits what the file
            may unpack to.

    Returns:
        What was saved, on the CPU.

    Raises:
        FileNotFoundError: If there is no such file.
        ImportError: If the package safetensors, which a file of that format needs, is missing.
        ValueError: If the file is damaged, or holds more than tensors and ``trust`` is not given. The
            message says which.
    """
    path = resolve_path(path)
    try:
        with get_local_path(path) as local:
            if path.endswith('.safetensors') or _is_safetensors(local):
                from safetensors.torch import load_file  # an optional package
                return load_file(local)
            if not trust:
                return read_torch_file(local, mapped=mapped, model_bytes=model_bytes)[0]
            if zipfile.is_zipfile(local):
                with zipfile.ZipFile(local) as archive:
                    check_sums(archive, check_entries(archive, model_bytes).values())
            return torch.load(local, map_location='cpu', weights_only=False, mmap=mapped)
    except FileNotFoundError as error:
        raise FileNotFoundError(f'checkpoint {path} does not exist') from error
    except ImportError as error:
        raise ImportError(f'checkpoint {path} is in the safetensors format: pip install safetensors') from error
    except ForeignObjectError as error:
        raise ValueError(
            f'checkpoint {path} holds more than tensors ({error}), and reading that would run code from '
            f'the file. If you trust its source, {advice}; the converters in '
            f'tools/model_converters read its tensors alone with --ignore-objects') from error
    except Exception as error:  # other bytes than those of a checkpoint fail wherever one of them is used
        if isinstance(error, OSError) and error.errno not in (None, errno.EINVAL, errno.EIO):
            raise  # not a place before the file's start, nor a disk that fails
        raise ValueError(f'checkpoint {path} is damaged or cut short: '
                         f'{str(error).strip() or type(error).__name__}') from error


def _is_safetensors(path: str) -> bool:
    """Returns whether a file begins as that format does: the length of a header, and the header's opening brace."""
    with open(path, 'rb') as file:
        start = file.read(9)
    length = int.from_bytes(start[:8], 'little')
    return start[8:] == b'{' and length <= os.path.getsize(path) - 8


def read_state_dict(path: str | os.PathLike, trust: bool = False, **keywords: Any) -> dict[str, Tensor]:
    """Reads the weights from a checkpoint, wherever the usual trainers put them.

    Args:
        path: See :func:`read_checkpoint`.
        trust: See :func:`read_checkpoint`.
        **keywords: See :func:`read_checkpoint`.

    Returns:
        Weights by name, without the prefixes that wrappers leave.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is damaged, not trusted, or holds no weights.
    """
    return weights_in(read_checkpoint(path, trust, **keywords), path)


def weights_in(content: Any, path: str | os.PathLike) -> dict[str, Tensor]:
    """Returns the weights in what a checkpoint held, see :func:`read_state_dict`.

    Raises:
        ValueError: If it holds no weights, or one that no model could compute with; names the file.
    """
    weights = check_weights(find_weights(content), path)
    if weights is None:
        keys = sorted(map(str, content))[:10] if isinstance(content, Mapping) else type(content).__name__
        raise ValueError(f'checkpoint {path} holds no weights under {", ".join(WEIGHT_KEYS)} or at its top: {keys}')
    return weights


def find_weights(content: Any) -> dict[str, Tensor] | None:
    """Finds the weights in what a checkpoint held, also where one wrapping lies inside of another.

    Args:
        content: What was saved.

    Returns:
        Tensors by name without the prefixes of wrappers (see :func:`bare_names`), or ``None`` if there are none.
    """
    if not isinstance(content, Mapping):
        return None
    for key in WEIGHT_KEYS:
        weights = find_weights(content.get(key))
        if weights:
            return weights
    tensors = {str(key): value for key, value in content.items() if isinstance(value, Tensor)}
    if any(name.startswith('module.') for name in tensors):
        tensors = {name: value for name, value in tensors.items() if name not in _COUNTERS}
    return dict(zip(bare_names(tensors), tensors.values())) or None


def bare_names(names: Iterable[str]) -> list[str]:
    """Removes the prefixes of wrappers: ``module.`` wherever it is in front, the others where all names begin so.

    Examples:
        >>> bare_names(['module.model.a.weight', 'module.model.a._orig_mod.bias'])
        ['a.weight', 'a.bias']
    """
    before, bare = list(names), [name.replace('._orig_mod.', '.').removeprefix('module.') for name in names]
    prefix = _WRAPPERS.match(bare[0]) if bare else None
    if prefix and all(name.startswith(prefix[0]) for name in bare):
        bare = [name[prefix.end():] for name in bare]
    return before if bare == before or len(set(bare)) < len(bare) else bare_names(bare)


def check_weights(weights: dict[str, Tensor] | None, path: str | os.PathLike) -> dict[str, Tensor] | None:
    """Refuses weights that no model could compute with.

    Minus infinity is let through: the masks of an attention hold it.

    Args:
        weights: What :func:`find_weights` found.
        path: Their file, for the error.

    Returns:
        The same.

    Raises:
        ValueError: If one is complex, sparse, quantised, on no device, larger than what is stored of it (a view with
            a stride of 0), or holds NaN or infinity. The message names it.
    """
    for name, value in (weights or {}).items():
        kind = None
        if value.is_quantized or value.layout is not torch.strided or value.is_nested or value.is_meta:
            kind = f'no plain dense tensor ({value.dtype}, {value.layout}, {value.device})'
        elif value.is_complex():
            kind = f'complex ({value.dtype})'
        elif value.numel() * value.element_size() > value.untyped_storage().nbytes():
            kind = f'larger than what is stored of it ({tuple(value.shape)}, strides {value.stride()})'
        elif value.is_floating_point() and value.numel() and not _highest(value) < float('inf'):
            kind = 'not finite (NaN or infinity)'
        if kind is not None:
            raise ValueError(f'checkpoint {path} cannot be used: its weight {name!a} is {kind}')
    return weights


def _highest(value: Tensor) -> Tensor:
    return (value if value.element_size() > 1 else value.float()).max()  # NaN if one is


def bytes_of_model(model: nn.Module) -> int:
    """Returns how many bytes the weights of a model take."""
    return sum(value.numel() * value.element_size() for value in model.state_dict().values())


def let_mmengine_read_safely(model_bytes: int | None = None) -> None:
    """Has MMEngine read every checkpoint, local or behind an address, as :func:`read_checkpoint` does.

    Args:
        model_bytes: What the model of the next checkpoint takes, see :func:`read_checkpoint`.

    By itself 0.10.12 and later unpickle, with a warning, whatever the safe way refuses, and so run code from the file;
    0.10.7 refuses, under torch >= 2.6, even the log history in its own checkpoints. Both run a text under
    ``meta.config`` as Python when a training goes on from the file.
    """
    for prefixes, loader in (('', load_from_local), (('http://', 'https://'), load_from_http)):
        limited = update_wrapper(partial(loader, model_bytes=model_bytes), loader)  # MMEngine logs its name
        CheckpointLoader.register_scheme(prefixes=prefixes, loader=limited, force=True)


def load_from_local(filename: str, map_location: Any = None, model_bytes: int | None = None) -> Any:
    """Reads a file for MMEngine, always to the CPU: whoever takes weights and states copies them to the device."""
    content = read_checkpoint(os.path.expanduser(filename), model_bytes=model_bytes)
    weights = check_weights(find_weights(content), filename)
    if isinstance(content, dict) and isinstance(content.get('meta'), dict):
        content['meta'].pop('config', None)  # MMEngine would run it; what it saves itself is called `cfg`
    if weights and not isinstance(content.get('state_dict'), Mapping):  # the only key that MMEngine knows
        content['state_dict'] = weights
    return content


def load_from_http(filename: str, map_location: Any = None, model_bytes: int | None = None) -> Any:
    """Reads what lies behind an address for MMEngine, from where torch keeps such files."""
    cached = os.path.join(torch.hub.get_dir(), 'checkpoints', os.path.basename(filename.split('?')[0]))
    if is_main_process() and not os.path.exists(cached):
        os.makedirs(os.path.dirname(cached), exist_ok=True)
        torch.hub.download_url_to_file(filename, cached)
    barrier()
    return load_from_local(cached, model_bytes=model_bytes)
