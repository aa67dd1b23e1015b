"""Files that appear whole under their name or not at all."""
from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def whole_file(path: str | os.PathLike, durable: bool = False) -> Iterator[Path]:
    """Gives the name to write to; what is there becomes ``path`` if the block ends without an error.

    Args:
        path: The file; missing folders are made, an earlier file is replaced.
        durable: Return only when the file is on the disk, so that not even a loss of power can take it away.

    Yields:
        A name in the same folder. After an error nothing of it is left, and an earlier file is as it was.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f'.{path.name}.{os.getpid()}')
    try:
        yield unfinished
        if durable:
            sync(unfinished)
        os.replace(unfinished, path)
        if durable and os.name == 'posix':  # the name is the folder's content
            sync(path.parent)
    finally:
        unfinished.unlink(missing_ok=True)


@contextmanager
def full_disk_explained(path: str | os.PathLike, size: int) -> Iterator[None]:
    """Says what to do if the disk is full, or a quota is, while a file is written in the block.

    Args:
        path: The file.
        size: How many bytes it needs.

    Raises:
        OSError: The disk is full. The message names the file, what it needs, what is free and the way out.
    """
    try:
        yield
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        folder = Path(path).parent
        raise OSError(
            error.errno, f'no space left in {folder}: {path} needs {size / 1e6:.1f} MB, '
            f'{shutil.disk_usage(folder).free / 1e6:.1f} MB are free. Earlier checkpoints are as they were: make '
            f'space (or set max_keep_ckpts lower) and go on with --resume') from error


def check_writable(path: str | os.PathLike) -> None:
    """Checks that a file can be written, and leaves nothing behind but its folder.

    Raises:
        OSError: It cannot; the message names it.
    """
    probe = Path(path).with_name(f'.{Path(path).name}.{os.getpid()}')
    try:
        if Path(path).is_dir():
            raise IsADirectoryError('it is a folder')
        probe.parent.mkdir(parents=True, exist_ok=True)
        probe.write_bytes(b'writable')
        probe.unlink()
    except OSError as error:
        raise OSError(error.errno, f'{path} cannot be written: {error.strerror or error}') from error


def sync(path: str | os.PathLike) -> None:
    """Waits until what was written to a file, or a folder, is on the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def remove_unfinished(folder: str | os.PathLike, *names: str, shared: bool = False) -> None:
    """Removes files and folders that killed processes left unfinished: ``.NAME.PID``, with a suffix or without.

    Args:
        folder: Where; it need not be there.
        *names: Names of the finished files, patterns as of a shell.
        shared: Leave the files of processes that live on this machine. Without it no other process may write such
            files there: the number of a dead one may have been given to another since.
    """
    for file in (file for name in names for file in Path(folder).glob(f'.{name}.*')):
        number = next((suffix[1:] for suffix in file.suffixes[:-3:-1] if suffix[1:].isdigit()), None)
        if number and not (shared and _lives(int(number))):
            shutil.rmtree(file, ignore_errors=True)  # does nothing to a file
            file.unlink(missing_ok=True)


def _lives(pid: int) -> bool:
    if os.name != 'posix':  # elsewhere asking would end it
        return True
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:  # of another user
        pass
    return True


def write_text(path: str | os.PathLike, text: str, durable: bool = False) -> Path:
    """Writes a text file in UTF-8, whole or not at all, and returns its path."""
    with whole_file(path, durable) as unfinished:
        unfinished.write_text(text, encoding='utf-8', newline='\n')
    return Path(path)
