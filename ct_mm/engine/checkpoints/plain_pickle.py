"""Reads a pickle of ``torch.save`` as tensors and plain values, without running any other code.

A pickle is a program: it names functions and calls them. This reader maps every name to a function of
:mod:`~ct_mm.engine.checkpoints.stand_ins`, which checks its arguments.
"""
from __future__ import annotations

import collections
import copyreg
import pickle
import pickletools
from collections import OrderedDict
from collections.abc import Callable
from typing import Any, BinaryIO

import numpy as np
import torch
from mmengine.logging import HistoryBuffer
from torch import Tensor

from . import stand_ins
from .stand_ins import OddTensor, Storage, StorageType, are_sizes, bytes_of, need

#: Maximum size in bytes of the pickle, without the tensor data.
MAX_BYTES = 1 << 28
_MAX_STEPS, _MAX_DEPTH = 10**6, 100
_LEAVES = (*stand_ins.SCALARS, complex, bytearray, Tensor, np.ndarray, HistoryBuffer, torch.dtype, torch.Size,
           torch.device)


class PlainUnpickler(pickle._Unpickler):  # the Python version, because its opcodes can be replaced
    """Reads one pickle.

    Args:
        file: A file positioned at the pickle. Its ``read`` must not allocate more than the file contains.
        storage: Returns the bytes of a storage, uint8 (N,), given its key and number of bytes, or None if they stay in
            the file.
        unknown: A class without arguments that replaces every unknown name. Default: an unknown name is an error.

    Attributes:
        replaced: The names that ``unknown`` replaced.
    """

    def __init__(self, file: BinaryIO, storage: Callable[[str, int], Tensor | None] | None = None,
                 unknown: type | None = None) -> None:
        super().__init__(file, encoding='utf-8')
        self.replaced: set[str] = set()
        self._file, self._storage, self._unknown, self._budget = file, storage, unknown, 0

    def load(self) -> Any:
        """Reads the pickle.

        Returns:
            The saved object: tensors, plain values, and containers of them.

        Raises:
            ForeignObjectError: If the pickle names anything else.
            Exception: If the pickle is damaged or does more work than its contents could require.
        """
        start = self._file.tell()
        for steps, _ in enumerate(pickletools.genops(self._file)):
            if steps > _MAX_STEPS or self._file.tell() - start > MAX_BYTES:
                raise pickle.UnpicklingError(f'its contents besides the tensors take more than {_MAX_STEPS} steps or '
                                             f'{MAX_BYTES >> 20} MiB')
        self._budget = 10 * (self._file.tell() - start) + 1000
        self._file.seek(start)
        content = super().load()
        self._check(content, 4 * steps + 1000)
        return content

    def find_class(self, module: str, name: str) -> Any:
        """Returns the function that replaces a name."""
        if (module, name) in stand_ins.TENSOR_FUNCTIONS:
            return stand_ins.TENSOR_FUNCTIONS[module, name]
        if module in ('torch', 'torch.cuda') and name in stand_ins.STORAGES:
            return StorageType(getattr(torch, stand_ins.STORAGES[name]))
        if module == 'torch' and isinstance(vars(torch).get(name), (torch.dtype, torch.qscheme)):
            return vars(torch)[name]
        if (module, name) == ('torch.storage', 'UntypedStorage'):
            return StorageType(torch.uint8)
        if self._unknown is None:
            if (module, name) in stand_ins.PLAIN_FUNCTIONS:
                return stand_ins.PLAIN_FUNCTIONS[module, name]
            named = f'{module}.{name}'.encode('unicode_escape').decode('ascii')[:200]
            raise stand_ins.ForeignObjectError(f'GLOBAL {named}')
        self.replaced.add(f'{module}.{name}'.encode('unicode_escape').decode('ascii'))
        return self._unknown

    def get_extension(self, code: int) -> None:
        """Resolves a ``copyreg`` extension code, without using the cache of resolved objects."""
        self.append(self.find_class(*copyreg._inverted_registry.get(code, ('copyreg', f'extension {code}'))))

    def persistent_load(self, pid: Any) -> Storage:
        """Returns the storage for a persistent ID."""
        kind, type_, key, _, numel, *view = pid
        need(kind == 'storage' and isinstance(type_, StorageType) and type(key) is str and are_sizes(numel)
              and view in ([], [None]), 'a storage is not described by its type, key and size')
        return Storage(self._storage(key, numel * bytes_of(type_.dtype)), type_.dtype, numel)

    def _call(self, function: Any, args: Any) -> Any:
        if self._is_unknown(function):
            return self._unknown()
        need(isinstance(function, stand_ins.Allowed) and type(args) is tuple, 'the file calls an unknown function')
        # Otherwise a few bytes that refer to a long string again and again could fill the memory.
        self._budget -= sum(len(arg) for arg in args if isinstance(arg, (str, bytes, list, tuple, dict)))
        need(self._budget >= 0, 'it builds more data than it could hold')
        return function(*args)

    def _is_unknown(self, value: Any) -> bool:
        return self._unknown is not None and (value is self._unknown or type(value) is self._unknown)

    def _reduce(self) -> None:
        args = self.stack.pop()
        self.stack[-1] = self._call(self.stack[-1], args)

    def _newobj_ex(self) -> None:
        kwargs = self.stack.pop()
        self._reduce()
        need(not kwargs or self._is_unknown(self.stack[-1]), 'the file calls a function with keyword arguments')

    def _obj(self) -> None:
        function, *args = self.pop_mark()
        self.append(self._call(function, tuple(args)))

    def _inst(self) -> None:
        module, name = (self.readline()[:-1].decode('utf-8') for _ in range(2))
        args = tuple(self.pop_mark())
        self.append(self._call(self.find_class(module, name), args))

    def _build(self) -> None:
        state, target = self.stack.pop(), self.stack[-1]
        if isinstance(target, stand_ins.Array):
            target.value = self.stack[-1] = self._call(stand_ins.ARRAY, state)
        elif type(target) is HistoryBuffer:
            stand_ins.fill_history(target, state)
        elif type(target) is OrderedDict and type(state) is dict:
            if '_metadata' in state:  # the module versions of a state dict
                target._metadata = state['_metadata']
        elif isinstance(target, np.dtype):
            stand_ins.check_dtype_state(state)
        else:
            need(type(target) is self._unknown, 'the file tries to change a function of the reader')

    def _items(self, items: list) -> None:
        target = self.stack[-1]
        if type(target) in (dict, OrderedDict, collections.Counter) and len(items) % 2 == 0:
            for key, value in zip(items[::2], items[1::2]):
                target[self._key(key)] = value
        else:
            need(type(target) is self._unknown, 'the file sets an item of an object that is not a dictionary')

    def _values(self, items: list) -> None:
        target = self.stack[-1]
        if type(target) is list:
            target.extend(items)
        elif type(target) is set:
            target.update(map(self._key, items))
        else:
            need(type(target) is self._unknown, 'the file appends to an object that is not a list')

    def _key(self, key: Any) -> Any:
        parts = key if type(key) is tuple else (key, )
        need(self._is_unknown(key) or all(type(part) in stand_ins.SCALARS for part in parts),
             f'a key is a {type(key).__name__}')  # hashing tuples of tuples could take forever
        return key

    def _check(self, content: Any, limit: int) -> None:
        """Refuses values that are not plain, deep nesting, and small pickles that expand endlessly."""
        todo = [('', content, 0)]
        for _ in range(limit):
            if not todo:
                return
            name, value, depth = todo.pop()
            if isinstance(value, OddTensor):  # built only if needed: nested tuples give endless messages
                raise pickle.UnpicklingError(f'{name} is not a plain dense tensor but {value}')
            need(depth <= _MAX_DEPTH, f'its contents are nested deeper than {_MAX_DEPTH} levels')
            if type(value) in (dict, OrderedDict, collections.Counter):
                parts = [*value.items(), *vars(value).items()] if type(value) is OrderedDict else value.items()
            elif type(value) in (list, tuple, set):
                parts = enumerate(value)
            else:
                need(type(value) in _LEAVES or isinstance(value, np.generic) or self._is_unknown(value),
                      f'{name} is a {type(value).__name__}, not a plain value')
                continue
            todo += [(f'{name}.{str(key)[:100]}'.lstrip('.')[-200:], part, depth + 1) for key, part in parts]
        raise pickle.UnpicklingError('its contents contain one another over and over')


def _resolved(load: Callable) -> Callable:

    def step(self: PlainUnpickler) -> None:
        load(self)
        if isinstance(self.stack[-1], stand_ins.Array):
            self.stack[-1] = self.stack[-1].value

    return step


def _steps() -> dict[int, Callable]:
    # No checkpoint uses DICT, FROZENSET, BYTEARRAY8 and buffers; they would bypass the checks of keys and sizes.
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
