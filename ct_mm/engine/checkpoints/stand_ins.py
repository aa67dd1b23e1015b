"""Safe replacements of the functions that a checkpoint names; each checks its arguments.

They cover part of PyTorch's ``weights_only`` list and the few functions that MMEngine's checkpoints need for logged
values. The rest of PyTorch's list would let a file allocate any amount of memory (``torch.Tensor(10**12)``).
"""
from __future__ import annotations

import collections
import math
import pickle
import sys
from collections import OrderedDict
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import torch
from mmengine.logging import HistoryBuffer
from torch import Tensor

#: Types of plain values.
SCALARS = (str, int, float, bool, bytes, type(None))


class ForeignObjectError(pickle.UnpicklingError):
    """The pickle names something that is neither a tensor nor a plain value."""


class Allowed:
    """A function that a file may call and that the opcode BUILD cannot change."""

    __slots__ = ('_function', )

    def __init__(self, function: Callable) -> None:
        self._function = function

    def __call__(self, *args: Any) -> Any:
        """Calls the function."""
        return self._function(*args)


class StorageType(NamedTuple):
    """The type of a storage."""

    dtype: torch.dtype


class Storage(NamedTuple):
    """The data that tensors are views of."""

    raw: Tensor | None  # uint8 (N,), or None if it stays in the file
    dtype: torch.dtype
    numel: int


class OddTensor(str):
    """The kind of an unsupported tensor, in place of the tensor."""


class Array:
    """A NumPy array that the pickle has created but not yet filled."""

    value = None


def need(true: bool, words: str) -> None:
    """Raises ``UnpicklingError`` unless a condition holds."""
    if not true:
        raise pickle.UnpicklingError(words)


def are_sizes(*values: Any) -> bool:
    """Whether all values are valid sizes or counts."""
    return all(type(value) is int and 0 <= value < 1 << 62 for value in values)


def bytes_of(dtype: torch.dtype) -> int:
    """Size of one element in bytes."""
    return torch._utils._element_size(dtype)


def _tensor(storage: Any, offset: Any, size: Any, stride: Any, *rest: Any) -> Any:
    # `requires_grad` and the hooks are not needed here. They are followed in `rest` by a dtype, if the storage has
    # none, and by the view bits (conjugated, negated), which would change the values.
    need(isinstance(storage, Storage) and isinstance(size, tuple) and isinstance(stride, tuple)
          and len(size) == len(stride) <= 64 and are_sizes(offset, *size, *stride),
          'a tensor is not built from a storage, an offset, a size and strides')
    raw, dtype, numel = storage
    if len(rest) > 2 and isinstance(rest[2], torch.dtype):
        numel = numel * bytes_of(dtype) // bytes_of(rest[2])
        dtype, rest = rest[2], rest[:2] + rest[3:]
    if len(rest) > 2 and rest[2]:
        return OddTensor('conjugated or negated')
    if dtype not in _DENSE:
        return OddTensor(f'quantised or unknown ({dtype})')
    need(0 in size or offset + sum((n - 1) * step for n, step in zip(size, stride)) < numel,
          f'a tensor of shape {size} lies outside its storage of {numel} numbers')
    if math.prod(size) > numel:
        return OddTensor(f'expanded ({math.prod(size)} numbers, {numel} of them stored)')
    if raw is None:
        return torch.empty(size, dtype=dtype, device='meta')
    return torch.empty(0, dtype=dtype).set_(raw.untyped_storage(), offset, size, stride)


def _parameter(data: Any, *rest: Any) -> Any:
    need(isinstance(data, (Tensor, OddTensor)), 'a parameter is not built from a tensor')
    return data


def _tensor_with_attributes(function: Any, kind: Any, args: Any, state: Any) -> Any:
    return function(*args) if function in (_TENSOR, _PARAMETER) and type(args) is tuple else OddTensor('subclassed')


def _odd(kind: str) -> Allowed:
    return Allowed(lambda *_: OddTensor(kind))


def _made(function: Callable, *types: type) -> Allowed:
    """Allows a function whose arguments are plain values, given one by one or in one list."""

    def make(*args: Any) -> Any:
        parts = args[0] if len(args) == 1 and type(args[0]) in (list, tuple) else args
        need(all(type(part) in types for part in parts), f'a {function.__name__} is not built from plain values')
        return function(*args)

    return Allowed(make)


def _mapping(kind: type) -> Allowed:

    def make(items: Any = ()) -> Any:
        pairs = list(items.items()) if isinstance(items, dict) else items
        need(type(pairs) in (tuple, list), 'a dictionary is not built from items')
        result = kind()
        for key, value in pairs:
            need(type(key) in SCALARS, f'a key is a {type(key).__name__}')
            result[key] = value
        return result

    return Allowed(make)


def _encode(text: str, encoding: str) -> bytes:  # protocol 2 stores bytes this way
    return text.encode('latin1')


def _bytearray(content: str | bytes = b'', encoding: str = 'latin1') -> bytearray:
    return bytearray(content if type(content) is bytes else content.encode('latin1'))


def _dtype(name: Any, *_: Any) -> np.dtype:
    shown = ascii(name[:40]) if type(name) is str else type(name).__name__
    need(type(name) is str and name in _NUMPY_DTYPES, f'an array does not hold numbers ({shown})')
    return np.dtype(name)


def check_dtype_state(state: Any) -> None:
    """Refuses a dtype state that sets anything but the native byte order."""
    # The state of a numeric dtype is its byte order alone. It is not applied, because dtype objects are shared.
    native = ('|', '=', '<' if sys.byteorder == 'little' else '>')
    need(type(state) is tuple and len(state) == 8 and type(state[1]) is str and state[1] in native
          and all(part is None for part in state[2:5]),
          'an array does not hold numbers in the byte order of this machine')


def _array(version: Any, shape: Any, dtype: Any, fortran: Any, data: Any) -> np.ndarray:
    need(type(shape) is tuple and len(shape) <= 32 and are_sizes(*shape) and isinstance(dtype, np.dtype)
          and type(fortran) is bool and type(data) is bytes and math.prod(shape) * dtype.itemsize == len(data),
          'the shape, type and bytes of an array do not match')
    return np.frombuffer(data, dtype).reshape(shape, order='F' if fortran else 'C').copy(order='K')


def _scalar(dtype: Any, data: Any) -> np.generic:
    return _array(1, (), dtype, False, data)[()]


def _history_method(owner: Any, name: Any) -> None:
    # A buffer pickles the methods of its class with its values; they are not needed.
    if owner is not _HISTORY or type(name) is not str:
        raise ForeignObjectError('GLOBAL builtins.getattr')


def fill_history(buffer: HistoryBuffer, state: Any) -> None:
    """Fills a new buffer with its values and nothing else."""
    for key, value in state.items():
        if key == 'statistics_methods':
            continue
        need(key in ('_log_history', '_count_history') and type(value) is np.ndarray and value.ndim == 1
              or key in ('max_length', '_max_length') and are_sizes(value),
              f'a history has an unknown part {ascii(key)[:40]}')
        setattr(buffer, key, value)


_TENSOR, _PARAMETER, ARRAY = Allowed(_tensor), Allowed(_parameter), Allowed(_array)
_HISTORY = Allowed(lambda: HistoryBuffer())
_DENSE = {getattr(torch, name) for name in (
    'float64 float32 float16 bfloat16 complex128 complex64 complex32 int64 int32 int16 int8 uint8 bool uint16 uint32 '
    'uint64 float8_e4m3fn float8_e5m2 float8_e4m3fnuz float8_e5m2fnuz').split() if hasattr(torch, name)}
STORAGES = {f'{name}Storage': dtype for name, dtype in dict(
    Double='float64', Float='float32', Half='float16', BFloat16='bfloat16', Long='int64', Int='int32', Short='int16',
    Char='int8', Byte='uint8', Bool='bool', ComplexDouble='complex128', ComplexFloat='complex64', QInt8='qint8',
    QUInt8='quint8', QInt32='qint32').items()}
_NUMPY_DTYPES = {f'{kind}{size}' for kind in 'iu' for size in (1, 2, 4, 8)} | {'b1', 'f2', 'f4', 'f8', 'f16'}
#: Names that every file may use. They are harmless for all arguments, because the functions check them.
TENSOR_FUNCTIONS = {
    ('collections', 'OrderedDict'): _mapping(OrderedDict),
    ('torch._utils', '_rebuild_tensor'): _TENSOR,
    ('torch._utils', '_rebuild_tensor_v2'): _TENSOR,
    ('torch._utils', '_rebuild_tensor_v3'): _TENSOR,
    ('torch._utils', '_rebuild_parameter'): _PARAMETER,
    ('torch._utils', '_rebuild_parameter_with_state'): _PARAMETER,
    ('torch._tensor', '_rebuild_from_type_v2'): Allowed(_tensor_with_attributes),
    **{('torch._utils', f'_rebuild_{name}'): _odd(kind) for name, kind in {
        'sparse_tensor': 'sparse', 'qtensor': 'quantised', 'meta_tensor_no_storage': 'meta', 'nested_tensor': 'nested',
        'wrapper_subclass': 'subclassed', 'device_tensor_from_numpy': 'device',
        'device_tensor_from_cpu_tensor': 'device'}.items()},
}
#: Further names that a file may use if unknown names are errors.
PLAIN_FUNCTIONS = {
    ('collections', 'Counter'): _mapping(collections.Counter),
    ('_codecs', 'encode'): _made(_encode, str),
    ('torch', 'Size'): _made(torch.Size, int),
    ('torch', 'device'): _made(torch.device, str, int),
    ('torch.serialization', '_get_layout'): Allowed(lambda *_: None),
    **{('torch' + module, name): Allowed(lambda *_: OddTensor('subclassed'))
       for module, name in (('', 'Tensor'), ('._tensor', 'Tensor'), ('.nn.parameter', 'Parameter'))},
    **{(module, name): function for module in ('builtins', '__builtin__') for name, function in {
        'set': _made(set, *SCALARS), 'bytes': _made(bytes), 'bytearray': _made(_bytearray, str, bytes),
        'getattr': Allowed(_history_method), 'complex': _made(complex, int, float)}.items()},
    ('mmengine.logging.history_buffer', 'HistoryBuffer'): _HISTORY,
    ('numpy', 'dtype'): Allowed(_dtype),
    ('numpy', 'ndarray'): _odd('subclassed'),
    **{(f'numpy.{core}.multiarray', name): Allowed(function) for core in ('core', '_core')
       for name, function in dict(scalar=_scalar, _reconstruct=lambda *_: Array()).items()},
}
