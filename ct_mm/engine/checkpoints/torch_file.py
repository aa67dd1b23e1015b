"""Reads files of ``torch.save`` with bounded memory."""
from __future__ import annotations

import collections
import io
import mmap
import os
import pickle
import struct
import sys
import zipfile
from collections.abc import Iterable, Iterator
from typing import Any, BinaryIO

import torch
from torch import Tensor

from .plain_pickle import MAX_BYTES, PlainUnpickler

#: A file may unpack to at most ``MAX_RATIO`` times its size or ``FREE_BYTES``, whichever is more.
MAX_RATIO, FREE_BYTES = 8, 1 << 26
#: If the model is known: to its own size or ``COPIES`` of the weights (states of an optimizer) and ``SPARE_BYTES``.
COPIES, SPARE_BYTES = 8, 1 << 24
_CHUNK = 1 << 20
_MAGIC_NUMBER = torch.serialization.MAGIC_NUMBER
_MAGIC = pickle.encode_long(_MAGIC_NUMBER)


def read_torch_file(path: str | os.PathLike, unknown: type | None = None, mapped: bool = False,
                    model_bytes: int | None = None) -> tuple[Any, set[str]]:
    """Reads a file as tensors and plain values and verifies its checksums, if it has them.

    Args:
        path: A local file, in the zip format of torch 1.6 or the older format.
        unknown: See :class:`PlainUnpickler`.
        mapped: Do not read the tensor data: tensors are on the ``meta`` device.
        model_bytes: See :func:`check_entries`.

    Returns:
        The saved object, on the CPU, and the names that were replaced by ``unknown``.

    Raises:
        ForeignObjectError: If the file contains anything but tensors and plain values.
        OSError: If the file cannot be read.
        Exception: If the file is damaged or its contents contradict each other.
    """
    with open(path, 'rb') as stream:
        head = stream.read(262)
        if head.startswith(b'PK\x03\x04'):
            return _read_zip(stream, unknown, mapped, model_bytes)
        if head[257:262] == b'ustar':
            raise ValueError('it is a tar archive, the format of torch before version 0.2')
        with mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as data:
            return _read_legacy(data, unknown, mapped)


def check_entries(archive: zipfile.ZipFile, model_bytes: int | None = None) -> dict[str, zipfile.ZipInfo]:
    """Checks the directory of an archive before any entry is unpacked.

    Args:
        archive: The archive.
        model_bytes: Size of the model that the file is for, if it is known.

    Returns:
        The entries by name.

    Raises:
        ValueError: If an entry is a duplicate, a folder, encrypted or compressed in an unusual way, or if the entries
            would unpack to too much: more than 64 MiB and more than eight times the size of the file or, where the
            model is known, more than the size of the file and more than what the model needs.
    """
    entries: dict[str, zipfile.ZipInfo] = {}
    for info in archive.infolist():
        if info.filename in entries or info.flag_bits & 1 or info.is_dir() or info.external_attr & 0x10 \
                or info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise ValueError(f'its entry {info.filename!a} is a duplicate, a folder, encrypted or packed unusually')
        entries[info.filename] = info
    total, size = sum(info.file_size for info in entries.values()), os.fstat(archive.fp.fileno()).st_size
    most = max(MAX_RATIO * size, FREE_BYTES)
    if model_bytes is not None:
        most = max(size, COPIES * model_bytes + SPARE_BYTES)
    if total > most:
        largest = max(entries.values(), key=lambda info: info.file_size)
        model = '' if model_bytes is None else f' for a model of {model_bytes / 1e6:.3g} MB'
        raise ValueError(f'it would unpack from {size / 1e6:.3g} MB to {total / 1e6:.3g} MB, which is too much{model}; '
                         f'its largest entry is {largest.filename!a} with {largest.file_size / 1e6:.3g} MB')
    return entries


def unpack(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> Iterator[bytes]:
    """Unpacks an entry in chunks, up to its declared size, and verifies its checksum.

    Raises:
        ValueError: If its length differs from the declared one.
        zipfile.BadZipFile: If its checksum does not match.
    """
    done = 0
    with archive.open(info) as part:
        while chunk := part.read(_CHUNK):
            done += len(chunk)
            yield chunk
    if done != info.file_size:
        raise ValueError(f'its entry {info.filename!a} has {done} bytes instead of {info.file_size}')


def _read_zip(stream: BinaryIO, unknown: type | None, mapped: bool,
              model_bytes: int | None) -> tuple[Any, set[str]]:
    with zipfile.ZipFile(stream) as archive:
        entries = check_entries(archive, model_bytes)
        pickles = [name for name in entries if name.endswith('/data.pkl')]
        if len(pickles) != 1 or pickles[0].count('/') != 1:
            raise ValueError('it is a zip archive, but not one of torch.save: it has no data.pkl')
        folder = pickles[0][:-len('data.pkl')]
        if f'{folder}constants.pkl' in entries:
            raise ValueError('it is a TorchScript archive, which contains code besides its tensors')
        storages: dict[str, Tensor] = {}
        order = b'little'
        if f'{folder}byteorder' in entries:
            order = b''.join(unpack(archive, entries[f'{folder}byteorder']))
        if order.decode('ascii') != sys.byteorder:
            raise ValueError('it was written on a machine with the other byte order')

        def storage(key: str, size: int) -> Tensor | None:
            info = entries[f'{folder}data/{key}']
            if info.file_size != size:
                raise ValueError(f'its storage {key!a} should have {size} bytes and has {info.file_size}')
            if not mapped and key not in storages:
                storages[key] = torch.empty(size, dtype=torch.uint8)
                view, start = memoryview(storages[key].numpy()), 0
                for chunk in unpack(archive, info):
                    view[start:start + len(chunk)] = chunk
                    start += len(chunk)
            return storages.get(key)

        if entries[pickles[0]].file_size > MAX_BYTES:
            raise ValueError(f'its entry {pickles[0]!a} has more than {MAX_BYTES >> 20} MiB')
        unpickler = PlainUnpickler(io.BytesIO(b''.join(unpack(archive, entries[pickles[0]]))), storage, unknown)
        content = unpickler.load()
        if not mapped:
            read = {pickles[0], *(f'{folder}data/{key}' for key in storages)}
            check_sums(archive, [info for name, info in entries.items() if name not in read])
    return content, unpickler.replaced


def check_sums(archive: zipfile.ZipFile, entries: Iterable[zipfile.ZipInfo]) -> None:
    """Verifies the checksums of entries; see :func:`unpack`."""
    for info in entries:
        collections.deque(unpack(archive, info), maxlen=0)


def _read_legacy(data: mmap.mmap, unknown: type | None, mapped: bool) -> tuple[Any, set[str]]:
    if _MAGIC not in data[:64] or [PlainUnpickler(data).load() for _ in range(2)] != [_MAGIC_NUMBER, 1001]:
        raise ValueError('it does not begin like a file of torch.save')
    system, storages, left = PlainUnpickler(data).load(), {}, len(data)
    if not system.get('little_endian', True) or sys.byteorder != 'little':
        raise ValueError('it was written on a machine with the other byte order')

    def storage(key: str, size: int) -> Tensor | None:
        nonlocal left
        if key not in storages:
            left -= size
            if left < 0:
                raise ValueError(f'its storages need more bytes than the file has; the last one, {key!a}, needs {size}')
            storages[key] = (size, None if mapped else torch.empty(size, dtype=torch.uint8))
        if storages[key][0] != size:
            raise ValueError(f'its storage {key!a} has two sizes')
        return storages[key][1]

    unpickler = PlainUnpickler(data, storage, unknown)
    content = unpickler.load()
    keys = PlainUnpickler(data).load()
    if type(keys) is not list or len(keys) != len(storages) or set(keys) != storages.keys():
        raise ValueError('its list of storages does not match its tensors')
    for size, raw in () if mapped else (storages[key] for key in keys):
        count, = struct.unpack('<q', data.read(8))
        if data.tell() + size > len(data) or count <= 0 < size or count and size % count:
            raise ValueError(f'it is cut short, or it declares {count} numbers for a storage of {size} bytes')
        memoryview(raw.numpy())[:] = data.read(size)
    return content, unpickler.replaced
