"""Atomic writes: a file appears whole under its name or not at all."""
from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def whole_file(path: str | os.PathLike, durable: bool = False) -> Iterator[Path]:
    """Yields a temporary file to write to and renames it to ``path`` if the block ends without an error.

    Args:
        path: The file. Missing folders are created, and an existing file is replaced.
        durable: Wait until the file is on the disk, so that it survives even a power failure.

    Yields:
        A path in the same folder. After an error this file is removed and an existing ``path`` is unchanged.

    Examples:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     with whole_file(f'{folder}/a.txt') as unfinished:
        ...         _ = unfinished.write_text('done')
        ...     Path(folder, 'a.txt').read_text()
        'done'
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f'.{path.name}.{os.getpid()}')
    try:
        yield unfinished
        if durable:
            sync(unfinished)
        os.replace(unfinished, path)
        if durable and os.name == 'posix':  # the folder stores the name
            sync(path.parent)
    finally:
        unfinished.unlink(missing_ok=True)


@contextmanager
def full_disk_explained(path: str | os.PathLike, size: int) -> Iterator[None]:
    """Explains what to do if the disk or a quota is full while the block writes a file.

    Args:
        path: The file.
        size: Its size in bytes.

    Raises:
        OSError: The disk is full; names the file, its size, the free space and the way out.
    """
    try:
        yield
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        folder = Path(path).parent
        raise OSError(
            error.errno, f'no space left in {folder}: {path} needs {size / 1e6:.1f} MB, '
            f'{shutil.disk_usage(folder).free / 1e6:.1f} MB are free. Earlier checkpoints are unchanged: free '
            f'some space (or lower max_keep_ckpts) and continue with --resume') from error


def check_writable(path: str | os.PathLike) -> None:
    """Checks that a file can be written; leaves nothing behind but its folder.

    Raises:
        OSError: It cannot be written; names it.
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
    """Waits until the contents of a file or folder are on the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def remove_unfinished(folder: str | os.PathLike, *names: str, shared: bool = False) -> None:
    """Removes the temporary files and folders (``.NAME.PID``, with or without a suffix) of processes that were killed.

    Args:
        folder: The folder; it may be missing.
        *names: Names of the final files, as shell patterns.
        shared: Keep the files of processes that are alive on this machine; this may keep a stale file whose process ID
            was reused. If False, no other process may be writing such files to the folder.
    """
    for file in (file for name in names for file in Path(folder).glob(f'.{name}.*')):
        number = next((suffix[1:] for suffix in file.suffixes[:-3:-1] if suffix[1:].isdigit()), None)
        if number and not (shared and _lives(int(number))):
            shutil.rmtree(file, ignore_errors=True)  # does nothing to a file
            file.unlink(missing_ok=True)


def _lives(pid: int) -> bool:
    if os.name != 'posix':  # on other systems os.kill would end the process
        return True
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:  # a process of another user
        pass
    return True


def write_text(path: str | os.PathLike, text: str, durable: bool = False) -> Path:
    """Writes a UTF-8 text file atomically and returns its path."""
    with whole_file(path, durable) as unfinished:
        unfinished.write_text(text, encoding='utf-8', newline='\n')
    return Path(path)
