"""Opens a file of ``torch.save`` and reads no more from it than it may hold."""
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

#: A file may unpack to so many times its size, or to so many bytes if that is more.
MAX_RATIO, FREE_BYTES = 8, 1 << 26
_CHUNK = 1 << 20
_MAGIC_NUMBER = torch.serialization.MAGIC_NUMBER
_MAGIC = pickle.encode_long(_MAGIC_NUMBER)


def read_torch_file(path: str | os.PathLike, unknown: type | None = None, mapped: bool = False) -> tuple[Any, set[str]]:
    """Reads a file as tensors and plain values; each byte is compared with its checksum, where the file has them.

    Args:
        path: A local file, in the zip format of torch 1.6 or the older one.
        unknown: See :class:`PlainUnpickler`.
        mapped: Read all but the numbers: tensors are on the device ``meta``.

    Returns:
        What was saved, on the CPU, and the names that were replaced by ``unknown``.

    Raises:
        ForeignObjectError: It holds more than tensors and plain values.
        OSError: It cannot be read.
        Exception: It is damaged, or holds something else than what it says.
    """
    with open(path, 'rb') as stream:
        head = stream.read(262)
        if head.startswith(b'PK\x03\x04'):
            return _read_zip(stream, unknown, mapped)
        if head[257:262] == b'ustar':
            raise ValueError('it is a tar archive, as torch wrote before version 0.2')
        with mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as data:
            return _read_legacy(data, unknown, mapped)


def check_entries(archive: zipfile.ZipFile) -> dict[str, zipfile.ZipInfo]:
    """Checks what an archive says of its entries, before one of them is unpacked.

    Args:
        archive: The archive.

    Returns:
        The entries by name.

    Raises:
        ValueError: If an entry is encrypted, packed in an unusual way or there twice, or if they would unpack to more
            than 64 MiB and to more than eight times the size of the file.
    """
    entries: dict[str, zipfile.ZipInfo] = {}
    for info in archive.infolist():
        if info.filename in entries or info.flag_bits & 1 or info.is_dir() or info.external_attr & 0x10 \
                or info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise ValueError(f'its part {info.filename!a} is there twice, a folder, encrypted or packed unusually')
        entries[info.filename] = info
    total, size = sum(info.file_size for info in entries.values()), os.fstat(archive.fp.fileno()).st_size
    if total > max(MAX_RATIO * size, FREE_BYTES):
        largest = max(entries.values(), key=lambda info: info.file_size)
        raise ValueError(f'it would unpack from {size / 1e6:.3g} MB to {total / 1e6:.3g} MB, which is too much; its '
                         f'largest part is {largest.filename!a} with {largest.file_size / 1e6:.3g} MB')
    return entries


def unpack(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> Iterator[bytes]:
    """Unpacks an entry piece by piece, at most as much as it says, and compares it with its checksum.

    Raises:
        ValueError: If it is of another length.
        zipfile.BadZipFile: If it does not fit its checksum.
    """
    done = 0
    with archive.open(info) as part:
        while chunk := part.read(_CHUNK):
            done += len(chunk)
            yield chunk
    if done != info.file_size:
        raise ValueError(f'its part {info.filename!a} has {done} bytes instead of {info.file_size}')


def _read_zip(stream: BinaryIO, unknown: type | None, mapped: bool) -> tuple[Any, set[str]]:
    with zipfile.ZipFile(stream) as archive:
        entries = check_entries(archive)
        pickles = [name for name in entries if name.endswith('/data.pkl')]
        if len(pickles) != 1 or pickles[0].count('/') != 1:
            raise ValueError('it is an archive, but not of torch.save: it holds no data.pkl')
        folder = pickles[0][:-len('data.pkl')]
        if f'{folder}constants.pkl' in entries:
            raise ValueError('it is a TorchScript archive, which holds code beside its tensors')
        storages: dict[str, Tensor] = {}
        order = b'little'
        if f'{folder}byteorder' in entries:
            order = b''.join(unpack(archive, entries[f'{folder}byteorder']))
        if order.decode('ascii') != sys.byteorder:
            raise ValueError('it was written on a machine of the other byte order')

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
            raise ValueError(f'its part {pickles[0]!a} has more than {MAX_BYTES >> 20} MiB')
        unpickler = PlainUnpickler(io.BytesIO(b''.join(unpack(archive, entries[pickles[0]]))), storage, unknown)
        content = unpickler.load()
        if not mapped:
            read = {pickles[0], *(f'{folder}data/{key}' for key in storages)}
            check_sums(archive, [info for name, info in entries.items() if name not in read])
    return content, unpickler.replaced


def check_sums(archive: zipfile.ZipFile, entries: Iterable[zipfile.ZipInfo]) -> None:
    """Compares entries with their checksums; see :func:`unpack`."""
    for info in entries:
        collections.deque(unpack(archive, info), maxlen=0)


def _read_legacy(data: mmap.mmap, unknown: type | None, mapped: bool) -> tuple[Any, set[str]]:
    if _MAGIC not in data[:64] or [PlainUnpickler(data).load() for _ in range(2)] != [_MAGIC_NUMBER, 1001]:
        raise ValueError('it does not begin as a file of torch.save does')
    system, storages, left = PlainUnpickler(data).load(), {}, len(data)
    if not system.get('little_endian', True) or sys.byteorder != 'little':
        raise ValueError('it was written on a machine of the other byte order')

    def storage(key: str, size: int) -> Tensor | None:
        nonlocal left
        if key not in storages:
            left -= size
            if left < 0:
                raise ValueError(f'its storages should have more bytes than the file, the last of them {key!a} {size}')
            storages[key] = (size, None if mapped else torch.empty(size, dtype=torch.uint8))
        if storages[key][0] != size:
            raise ValueError(f'its storage {key!a} has two sizes')
        return storages[key][1]

    unpickler = PlainUnpickler(data, storage, unknown)
    content = unpickler.load()
    keys = PlainUnpickler(data).load()
    if type(keys) is not list or len(keys) != len(storages) or set(keys) != storages.keys():
        raise ValueError('its list of storages is another than that of its tensors')
    for size, raw in () if mapped else (storages[key] for key in keys):
        count, = struct.unpack('<q', data.read(8))
        if data.tell() + size > len(data) or count <= 0 < size or count and size % count:
            raise ValueError(f'it is cut short, or a storage of {size} bytes is announced as one of {count} numbers')
        memoryview(raw.numpy())[:] = data.read(size)
    return content, unpickler.replaced
