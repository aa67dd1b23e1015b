"""Atomic writes: a file appears whole under its name or not at all."""
from __future__ import annotations

import os
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


def sync(path: str | os.PathLike) -> None:
    """Waits until the contents of a file or folder are on the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def remove_unfinished(folder: str | os.PathLike, *names: str, shared: bool = False) -> None:
    """Removes the temporary files of processes that were killed while writing.

    Args:
        folder: The folder; it may be missing.
        *names: Names of the final files, as shell patterns.
        shared: Keep the files of processes that are alive on this machine; this may keep a stale file whose process ID
            was reused. If False, no other process may be writing such files to the folder.
    """
    for file in (file for name in names for file in Path(folder).glob(f'.{name}.*')):
        if file.suffix[1:].isdigit() and not (shared and _lives(int(file.suffix[1:]))):
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
