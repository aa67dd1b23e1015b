"""Reads the tensors of a checkpoint whose other contents must not run.

A pickle is a program. ``torch.load(weights_only=True)`` refuses a file that names a class it does not
know, even where the weights beside it are all that is wanted: trackers of the PyTracking family save
their training settings with the weights. Here such a file is read with every unknown name standing for
an object that does nothing.
"""
from __future__ import annotations

import copyreg
import os
import pickle
import tarfile
from collections import OrderedDict
from types import SimpleNamespace
from typing import Any, BinaryIO

import torch
from torch import Tensor
from torch.storage import TypedStorage


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
    replaced: set[str] = set()
    copyreg.clear_extension_cache()  # what is cached there would be had by its number, past the unpickler's eyes
    try:
        with open(path, 'rb') as stream:
            _refuse_other_formats(stream)
            content = torch.load(stream, map_location='cpu', weights_only=False, pickle_module=_restricted(replaced))
    except FileNotFoundError as error:
        raise FileNotFoundError(f'checkpoint {path} does not exist') from error
    except (pickle.UnpicklingError, RuntimeError, EOFError, AssertionError, TypeError, ValueError, LookupError,
            AttributeError, ArithmeticError, MemoryError) as error:
        # A damaged or hostile file fails wherever torch first uses what is not as it must be.
        reason = str(error).strip().split('\n')[0] or type(error).__name__
        raise ValueError(f'checkpoint {path} cannot be read as tensors only: {reason}') from error
    finally:
        copyreg.clear_extension_cache()  # lest a placeholder stay there
    return content, sorted(replaced)


class Placeholder:
    """Stands for a class or function of the file, and for whatever that would have made.

    It has no attributes to fill, so nothing that reads one later can meet a value from the file.
    """

    __slots__ = ()
    dump_patches = False  # torch asks it of pickled modules

    def __new__(cls, *args: Any, **kwargs: Any) -> Placeholder:
        """Takes any arguments and drops them."""
        return super().__new__(cls)

    def __call__(self, *args: Any, **kwargs: Any) -> Placeholder:
        """Does what every method here does: nothing."""
        return self

    def __setstate__(self, state: Any) -> None:
        """The opcode BUILD."""

    def __setitem__(self, key: Any, value: Any) -> None:
        """The opcodes SETITEM and SETITEMS."""

    def append(self, value: Any) -> None:
        """The opcode APPEND."""

    def extend(self, values: Any) -> None:
        """The opcode APPENDS."""

    def add(self, value: Any) -> None:
        """The opcode ADDITEMS."""

    def __repr__(self) -> str:
        return '<an object of the file, not read>'


class _Allowed:
    """A function that a file may call. BUILD cannot change it: it has no state that could be set."""

    __slots__ = ('_function', )

    def __init__(self, function: Any) -> None:
        object.__setattr__(self, '_function', function)

    def __call__(self, *args: Any) -> Any:
        return self._function(*args)

    def __setattr__(self, name: str, value: Any) -> None:
        raise pickle.UnpicklingError('the file tries to change a function of the reader')

    def __setstate__(self, state: Any) -> None:
        raise pickle.UnpicklingError('the file tries to change a function of the reader')


def _tensor(storage: Any, offset: Any, size: Any, stride: Any, *rest: Any) -> Tensor:
    # Whether it requires a gradient, and its hooks, are of no use here. The view bits of torch >= 2.0
    # (conjugated, negated) would change its values, so they are not dropped silently.
    if len(rest) > 2 and rest[2]:
        raise pickle.UnpicklingError('a tensor is a conjugated or negated view')
    numbers = (offset, *size, *stride) if isinstance(size, tuple) and isinstance(stride, tuple) else (None, )
    if not isinstance(storage, TypedStorage) or not all(type(number) is int and number >= 0 for number in numbers):
        raise pickle.UnpicklingError('a tensor is not made of a storage, an offset, a size and strides')
    return torch._utils._rebuild_tensor(storage, offset, size, stride)


def _parameter(data: Any, *rest: Any) -> Tensor:
    if not isinstance(data, Tensor):
        raise pickle.UnpicklingError('a parameter is not made of a tensor')
    return data


def _tensor_with_attributes(function: Any, kind: Any, args: Any, state: Any) -> Any:
    return function(*args) if isinstance(function, _Allowed) else Placeholder()


#: Everything that a file may name. Each is harmless whatever its arguments: the functions check them.
_ALLOWED = {
    ('collections', 'OrderedDict'): OrderedDict,
    ('torch._utils', '_rebuild_tensor'): _Allowed(_tensor),
    ('torch._utils', '_rebuild_tensor_v2'): _Allowed(_tensor),
    ('torch._utils', '_rebuild_parameter'): _Allowed(_parameter),
    ('torch._utils', '_rebuild_parameter_with_state'): _Allowed(_parameter),
    ('torch._tensor', '_rebuild_from_type_v2'): _Allowed(_tensor_with_attributes),
}


def _restricted(replaced: set[str]) -> SimpleNamespace:
    """What ``torch.load`` wants of a pickle module. Storage types are torch's own affair, by name."""

    class Unpickler(pickle.Unpickler):

        def find_class(self, module: str, name: str) -> Any:
            if (module, name) not in _ALLOWED:
                replaced.add(f'{module}.{name}'.encode('unicode_escape').decode('ascii'))
            return _ALLOWED.get((module, name), Placeholder)

    def load(file: BinaryIO, **kwargs: Any) -> Any:
        return Unpickler(file, **kwargs).load()

    return SimpleNamespace(__name__=__name__, Unpickler=Unpickler, load=load)


def _refuse_other_formats(stream: BinaryIO) -> None:
    # Decided exactly as torch.load decides, and on the same open file.
    magic = stream.read(4)
    stream.seek(0)
    if magic == b'PK\x03\x04':
        if 'constants.pkl' in torch._C.PyTorchFileReader(stream).get_all_records():
            raise ValueError('it is a TorchScript archive, which holds code beside its tensors')
    else:
        try:
            tarfile.open(fileobj=stream, mode='r:').close()
        except tarfile.TarError:
            pass  # as it should be: a plain pickle
        else:
            raise ValueError('it is a tar archive, as torch wrote before version 0.2')
    stream.seek(0)
