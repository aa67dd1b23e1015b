"""Reads a pickle of ``torch.save`` as tensors and plain values; whatever else it asks for does not happen.

A pickle is a program: it names functions and calls them. Here every name stands for a function of this file, which
checks its arguments. Those names are some of PyTorch's own ``weights_only`` list and the few that MMEngine's
checkpoints need for logged values. The rest of PyTorch's list lets a file ask for memory (``torch.Tensor(10**12)``).
"""
from __future__ import annotations

import collections
import copyreg
import math
import pickle
import pickletools
import sys
from collections import OrderedDict
from collections.abc import Callable
from typing import Any, BinaryIO, NamedTuple

import numpy as np
import torch
from mmengine.logging import HistoryBuffer
from torch import Tensor

#: What is beside the numbers may have so many bytes.
MAX_BYTES = 1 << 28
_MAX_STEPS, _MAX_DEPTH = 10**6, 100
_SCALARS = (str, int, float, bool, bytes, type(None))
_LEAVES = (*_SCALARS, complex, bytearray, Tensor, np.ndarray, HistoryBuffer, torch.dtype, torch.Size, torch.device)


class ForeignObjectError(pickle.UnpicklingError):
    """The pickle names something that is neither a tensor nor a plain value."""


class PlainUnpickler(pickle._Unpickler):  # the one in Python: its steps can be replaced, and it allocates what it reads
    """Reads one pickle.

    Args:
        file: Where it begins. ``read`` must not allocate more than there is, as that of a file does.
        storage: Gives the bytes of a storage, uint8 (N,), by its key and their number; ``None``: they stay in the file.
        unknown: A class without arguments that stands for every name that is not known. Default: such a name is an
            error.

    Attributes:
        replaced: The names that ``unknown`` stands for.
    """

    def __init__(self, file: BinaryIO, storage: Callable[[str, int], Tensor | None] | None = None,
                 unknown: type | None = None) -> None:
        super().__init__(file, encoding='utf-8')
        self.replaced: set[str] = set()
        self._file, self._storage, self._unknown, self._budget = file, storage, unknown, 0

    def load(self) -> Any:
        """Reads the pickle.

        Returns:
            What was saved: tensors, plain values, and containers of them.

        Raises:
            ForeignObjectError: It names something else.
            Exception: It is damaged, or does more work than what it holds could need.
        """
        start = self._file.tell()
        for steps, _ in enumerate(pickletools.genops(self._file)):
            if steps > _MAX_STEPS or self._file.tell() - start > MAX_BYTES:
                raise pickle.UnpicklingError(f'what is beside its tensors takes more than {_MAX_STEPS} steps or '
                                             f'{MAX_BYTES >> 20} MiB')
        self._budget = 10 * (self._file.tell() - start) + 1000
        self._file.seek(start)
        content = super().load()
        self._check(content, 4 * steps + 1000)
        return content

    def find_class(self, module: str, name: str) -> Any:
        """The function that stands for a name."""
        if (module, name) in TENSOR_FUNCTIONS:
            return TENSOR_FUNCTIONS[module, name]
        if module in ('torch', 'torch.cuda') and name in _STORAGES:
            return _StorageType(getattr(torch, _STORAGES[name]))
        if module == 'torch' and isinstance(vars(torch).get(name), (torch.dtype, torch.qscheme)):
            return vars(torch)[name]
        if (module, name) == ('torch.storage', 'UntypedStorage'):
            return _StorageType(torch.uint8)
        if self._unknown is None:
            if (module, name) in PLAIN_FUNCTIONS:
                return PLAIN_FUNCTIONS[module, name]
            raise ForeignObjectError('GLOBAL ' + f'{module}.{name}'.encode('unicode_escape').decode('ascii')[:200])
        self.replaced.add(f'{module}.{name}'.encode('unicode_escape').decode('ascii'))
        return self._unknown

    def get_extension(self, code: int) -> None:
        """A name by a number that was agreed upon; the cache of what it stands for is not used."""
        self.append(self.find_class(*copyreg._inverted_registry.get(code, ('copyreg', f'extension {code}'))))

    def persistent_load(self, pid: Any) -> _Storage:
        """A storage."""
        kind, type_, key, _, numel, *view = pid
        _need(kind == 'storage' and isinstance(type_, _StorageType) and type(key) is str and _sizes(numel)
              and view in ([], [None]), 'a storage is not given by its type, key and size')
        return _Storage(self._storage(key, numel * _bytes_of(type_.dtype)), type_.dtype, numel)

    def _call(self, function: Any, args: Any) -> Any:
        if self._is_unknown(function):
            return self._unknown()
        _need(isinstance(function, _Allowed) and type(args) is tuple, 'the file calls what is no known function')
        # Otherwise a few bytes that name a long text again and again could fill the memory.
        self._budget -= sum(len(arg) for arg in args if isinstance(arg, (str, bytes, list, tuple, dict)))
        _need(self._budget >= 0, 'it makes more than it could hold')
        return function(*args)

    def _is_unknown(self, value: Any) -> bool:
        return self._unknown is not None and (value is self._unknown or type(value) is self._unknown)

    def _reduce(self) -> None:
        args = self.stack.pop()
        self.stack[-1] = self._call(self.stack[-1], args)

    def _newobj_ex(self) -> None:
        kwargs = self.stack.pop()
        self._reduce()
        _need(not kwargs or self._is_unknown(self.stack[-1]), 'the file calls a function by the names of its arguments')

    def _obj(self) -> None:
        function, *args = self.pop_mark()
        self.append(self._call(function, tuple(args)))

    def _inst(self) -> None:
        module, name = (self.readline()[:-1].decode('utf-8') for _ in range(2))
        args = tuple(self.pop_mark())
        self.append(self._call(self.find_class(module, name), args))

    def _build(self) -> None:
        state, target = self.stack.pop(), self.stack[-1]
        if isinstance(target, _Array):
            target.value = self.stack[-1] = self._call(_ARRAY, state)
        elif type(target) is HistoryBuffer:
            _fill_history(target, state)
        elif type(target) is OrderedDict and type(state) is dict:
            if '_metadata' in state:  # the versions of a state dict's modules
                target._metadata = state['_metadata']
        elif isinstance(target, np.dtype):
            _check_dtype_state(state)
        else:
            _need(type(target) is self._unknown, 'the file tries to change a function of the reader')

    def _items(self, items: list) -> None:
        target = self.stack[-1]
        if type(target) in (dict, OrderedDict, collections.Counter) and len(items) % 2 == 0:
            for key, value in zip(items[::2], items[1::2]):
                target[self._key(key)] = value
        else:
            _need(type(target) is self._unknown, 'the file sets an item of what is no dictionary')

    def _values(self, items: list) -> None:
        target = self.stack[-1]
        if type(target) is list:
            target.extend(items)
        elif type(target) is set:
            target.update(map(self._key, items))
        else:
            _need(type(target) is self._unknown, 'the file appends to what is no list')

    def _key(self, key: Any) -> Any:
        _need(self._is_unknown(key) or all(type(part) in _SCALARS for part in (key if type(key) is tuple else (key, ))),
              f'a key is a {type(key).__name__}')  # of tuples in tuples the hash alone could take for ever
        return key

    def _check(self, content: Any, limit: int) -> None:
        """Refuses what is no plain value, what is nested deeply, and the few bytes that are endless when followed."""
        todo = [('', content, 0)]
        for _ in range(limit):
            if not todo:
                return
            name, value, depth = todo.pop()
            _need(not isinstance(value, _OddTensor), f'{name} is no plain dense tensor, but {value}')
            _need(depth <= _MAX_DEPTH, f'its contents are nested deeper than {_MAX_DEPTH} levels')
            if type(value) in (dict, OrderedDict, collections.Counter):
                parts = [*value.items(), *vars(value).items()] if type(value) is OrderedDict else value.items()
            elif type(value) in (list, tuple, set):
                parts = enumerate(value)
            else:
                _need(type(value) in _LEAVES or isinstance(value, np.generic) or self._is_unknown(value),
                      f'{name} is a {type(value).__name__} and no plain value')
                continue
            todo += [(f'{name}.{str(key)[:100]}'.lstrip('.')[-200:], part, depth + 1) for key, part in parts]
        raise pickle.UnpicklingError('its contents hold one another over and over')


class _Allowed:
    """A function that a file may call. The opcode BUILD cannot change it."""

    __slots__ = ('_function', )

    def __init__(self, function: Callable) -> None:
        self._function = function

    def __call__(self, *args: Any) -> Any:
        return self._function(*args)


class _StorageType(NamedTuple):
    dtype: torch.dtype


class _Storage(NamedTuple):
    raw: Tensor | None  # uint8 (N,), or left in the file
    dtype: torch.dtype
    numel: int


class _OddTensor(str):
    """What kind of tensor it is."""


class _Array:
    """What a pickle makes before it says what is in it."""

    value = None


def _need(true: bool, words: str) -> None:
    if not true:
        raise pickle.UnpicklingError(words)


def _sizes(*values: Any) -> bool:
    return all(type(value) is int and 0 <= value < 1 << 62 for value in values)


def _bytes_of(dtype: torch.dtype) -> int:
    return torch._utils._element_size(dtype)


def _tensor(storage: Any, offset: Any, size: Any, stride: Any, *rest: Any) -> Any:
    # Whether it requires a gradient, and its hooks, are of no use here; `rest` goes on with a dtype where the
    # storage has none, and with the view bits (conjugated, negated), which would change the values.
    _need(isinstance(storage, _Storage) and isinstance(size, tuple) and isinstance(stride, tuple)
          and len(size) == len(stride) <= 64 and _sizes(offset, *size, *stride),
          'a tensor is not made of a storage, an offset, a size and strides')
    raw, dtype, numel = storage
    if len(rest) > 2 and isinstance(rest[2], torch.dtype):
        numel = numel * _bytes_of(dtype) // _bytes_of(rest[2])
        dtype, rest = rest[2], rest[:2] + rest[3:]
    if len(rest) > 2 and rest[2]:
        return _OddTensor('conjugated or negated')
    if dtype not in _DENSE:
        return _OddTensor(f'quantised or unknown ({dtype})')
    _need(0 in size or offset + sum((n - 1) * step for n, step in zip(size, stride)) < numel,
          f'a tensor of shape {size} lies outside of its storage of {numel} numbers')
    if math.prod(size) > numel:
        return _OddTensor(f'expanded ({math.prod(size)} numbers, {numel} of them stored)')
    if raw is None:
        return torch.empty(size, dtype=dtype, device='meta')
    return torch.empty(0, dtype=dtype).set_(raw.untyped_storage(), offset, size, stride)


def _parameter(data: Any, *rest: Any) -> Any:
    _need(isinstance(data, (Tensor, _OddTensor)), 'a parameter is not made of a tensor')
    return data


def _tensor_with_attributes(function: Any, kind: Any, args: Any, state: Any) -> Any:
    return function(*args) if function in (_TENSOR, _PARAMETER) and type(args) is tuple else _OddTensor('subclassed')


def _odd(kind: str) -> _Allowed:
    return _Allowed(lambda *_: _OddTensor(kind))


def _made(function: Callable, *types: type) -> _Allowed:
    """A function of plain values, one by one or in one list."""

    def make(*args: Any) -> Any:
        parts = args[0] if len(args) == 1 and type(args[0]) in (list, tuple) else args
        _need(all(type(part) in types for part in parts), f'a {function.__name__} is not made of plain values')
        return function(*args)

    return _Allowed(make)


def _mapping(kind: type) -> _Allowed:

    def make(items: Any = ()) -> Any:
        pairs = list(items.items()) if isinstance(items, dict) else items
        _need(type(pairs) in (tuple, list), 'a dictionary is not made of items')
        result = kind()
        for key, value in pairs:
            _need(type(key) in _SCALARS, f'a key is a {type(key).__name__}')
            result[key] = value
        return result

    return _Allowed(make)


def _encode(text: str, encoding: str) -> bytes:  # how protocol 2 writes bytes
    return text.encode('latin1')


def _bytearray(content: str | bytes = b'', encoding: str = 'latin1') -> bytearray:
    return bytearray(content if type(content) is bytes else content.encode('latin1'))


def _dtype(name: Any, *_: Any) -> np.dtype:
    _need(type(name) is str and name in _NUMPY_DTYPES, f'an array is not of numbers ({ascii(name)[:40]})')
    return np.dtype(name)


def _check_dtype_state(state: Any) -> None:
    # A dtype of numbers has but its byte order, which is that of this machine. A dtype is shared: nothing is set.
    native = ('|', '=', '<' if sys.byteorder == 'little' else '>')
    _need(type(state) is tuple and len(state) == 8 and type(state[1]) is str and state[1] in native
          and all(part is None for part in state[2:5]),
          'an array is not of numbers in the byte order of this machine')


def _array(version: Any, shape: Any, dtype: Any, fortran: Any, data: Any) -> np.ndarray:
    _need(type(shape) is tuple and len(shape) <= 32 and _sizes(*shape) and isinstance(dtype, np.dtype)
          and type(fortran) is bool and type(data) is bytes and math.prod(shape) * dtype.itemsize == len(data),
          'the shape, type and bytes of an array do not fit each other')
    return np.frombuffer(data, dtype).reshape(shape, order='F' if fortran else 'C').copy(order='K')


def _scalar(dtype: Any, data: Any) -> np.generic:
    return _array(1, (), dtype, False, data)[()]


def _history_method(owner: Any, name: Any) -> None:
    # A buffer pickles its class's methods beside its values; the class has them.
    if owner is not _HISTORY or type(name) is not str:
        raise ForeignObjectError('GLOBAL builtins.getattr')


def _fill_history(buffer: HistoryBuffer, state: Any) -> None:
    for key, value in state.items():
        if key == 'statistics_methods':
            continue
        _need(key in ('_log_history', '_count_history') and type(value) is np.ndarray and value.ndim == 1
              or key in ('max_length', '_max_length') and _sizes(value),
              f'a history has a part {ascii(key)[:40]} that is none of its own')
        setattr(buffer, key, value)


def _resolved(load: Callable) -> Callable:

    def step(self: PlainUnpickler) -> None:
        load(self)
        if isinstance(self.stack[-1], _Array):
            self.stack[-1] = self.stack[-1].value

    return step


def _steps() -> dict[int, Callable]:
    # DICT, FROZENSET, BYTEARRAY8 and buffers are in no checkpoint: without them all keys and sizes are checked.
    steps = {code: step for code, step in pickle._Unpickler.dispatch.items() if code not in b'd\x91\x96\x97\x98'}
    steps.update({code: _resolved(steps[code]) for code in b'ghj'})
    kind = PlainUnpickler
    steps.update({
        pickle.REDUCE[0]: kind._reduce, pickle.NEWOBJ[0]: kind._reduce, pickle.NEWOBJ_EX[0]: kind._newobj_ex,
        pickle.OBJ[0]: kind._obj, pickle.INST[0]: kind._inst, pickle.BUILD[0]: kind._build,
        pickle.SETITEM[0]: lambda self: self._items([self.stack.pop(), self.stack.pop()][::-1]),
        pickle.SETITEMS[0]: lambda self: self._items(self.pop_mark()),
        pickle.APPEND[0]: lambda self: self._values([self.stack.pop()]),
        pickle.APPENDS[0]: lambda self: self._values(self.pop_mark()),
        pickle.ADDITEMS[0]: lambda self: self._values(self.pop_mark())})
    return steps


PlainUnpickler.dispatch = _steps()
_TENSOR, _PARAMETER, _ARRAY = _Allowed(_tensor), _Allowed(_parameter), _Allowed(_array)
_HISTORY = _Allowed(lambda: HistoryBuffer())
_DENSE = {getattr(torch, name) for name in (
    'float64 float32 float16 bfloat16 complex128 complex64 complex32 int64 int32 int16 int8 uint8 bool uint16 uint32 '
    'uint64 float8_e4m3fn float8_e5m2 float8_e4m3fnuz float8_e5m2fnuz').split() if hasattr(torch, name)}
_STORAGES = {f'{name}Storage': dtype for name, dtype in dict(
    Double='float64', Float='float32', Half='float16', BFloat16='bfloat16', Long='int64', Int='int32', Short='int16',
    Char='int8', Byte='uint8', Bool='bool', ComplexDouble='complex128', ComplexFloat='complex64', QInt8='qint8',
    QUInt8='quint8', QInt32='qint32').items()}
_NUMPY_DTYPES = {f'{kind}{size}' for kind in 'iu' for size in (1, 2, 4, 8)} | {'b1', 'f2', 'f4', 'f8', 'f16'}
#: What a file may name in any case. Each is harmless whatever its arguments: the functions check them.
TENSOR_FUNCTIONS = {
    ('collections', 'OrderedDict'): _mapping(OrderedDict),
    ('torch._utils', '_rebuild_tensor'): _TENSOR,
    ('torch._utils', '_rebuild_tensor_v2'): _TENSOR,
    ('torch._utils', '_rebuild_tensor_v3'): _TENSOR,
    ('torch._utils', '_rebuild_parameter'): _PARAMETER,
    ('torch._utils', '_rebuild_parameter_with_state'): _PARAMETER,
    ('torch._tensor', '_rebuild_from_type_v2'): _Allowed(_tensor_with_attributes),
    **{('torch._utils', f'_rebuild_{name}'): _odd(kind) for name, kind in {
        'sparse_tensor': 'sparse', 'qtensor': 'quantised', 'meta_tensor_no_storage': 'meta', 'nested_tensor': 'nested',
        'wrapper_subclass': 'subclassed', 'device_tensor_from_numpy': 'device',
        'device_tensor_from_cpu_tensor': 'device'}.items()},
}
#: What it may name beside, if nothing unknown is left out.
PLAIN_FUNCTIONS = {
    ('collections', 'Counter'): _mapping(collections.Counter),
    ('_codecs', 'encode'): _made(_encode, str),
    ('torch', 'Size'): _made(torch.Size, int),
    ('torch', 'device'): _made(torch.device, str, int),
    ('torch.serialization', '_get_layout'): _Allowed(lambda *_: None),
    **{('torch' + module, name): _Allowed(lambda *_: _OddTensor('subclassed'))
       for module, name in (('', 'Tensor'), ('._tensor', 'Tensor'), ('.nn.parameter', 'Parameter'))},
    **{(module, name): function for module in ('builtins', '__builtin__') for name, function in {
        'set': _made(set, *_SCALARS), 'bytes': _made(bytes), 'bytearray': _made(_bytearray, str, bytes),
        'getattr': _Allowed(_history_method), 'complex': _made(complex, int, float)}.items()},
    ('mmengine.logging.history_buffer', 'HistoryBuffer'): _HISTORY,
    ('numpy', 'dtype'): _Allowed(_dtype),
    ('numpy', 'ndarray'): _odd('subclassed'),
    **{(f'numpy.{core}.multiarray', name): _Allowed(function) for core in ('core', '_core')
       for name, function in dict(scalar=_scalar, _reconstruct=lambda *_: _Array()).items()},
}
