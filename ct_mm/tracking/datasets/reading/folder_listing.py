"""Parts of error messages about a dataset that is not where it should be."""
from __future__ import annotations

import os
from pathlib import Path

_ARCHIVES = ('.zip', '.tar', '.gz', '.tgz', '.7z', '.rar')


def folder_listing(folder: str | os.PathLike, most: int = 15) -> str:
    """Lists the content of a folder.

    Args:
        folder: The folder; it need not exist.
        most: Maximum number of names shown. Defaults to 15.

    Returns:
        One name per line, folders with a trailing slash, and a request to unpack archives if the folder contains any.
    """
    folder = Path(folder)
    if not folder.is_dir():
        return f'found: {folder} does not exist either (current folder: {Path.cwd()})'
    with os.scandir(folder) as entries:
        names = sorted(entry.name + '/' * entry.is_dir() for entry in entries)
    lines = [f'found in {folder}:', *(f'    {name}' for name in names[:most] or ['nothing'])]
    if len(names) > most:
        lines.append(f'    ... {len(names) - most} more')
    archives = [name for name in names if name.lower().endswith(_ARCHIVES)]
    if archives:
        state = 'and others are archives: unpack them' if archives[1:] else 'is an archive: unpack it'
        lines.append(f'{archives[0]} {state} first')
    return '\n'.join(lines)


def unpacked_too_deep(folder: Path) -> str:
    """Returns the end of an error message if an archive was unpacked into a subfolder of the same name, otherwise ''.

    Args:
        folder: Folder of a sequence in which something was not found.
    """
    inner = folder / folder.name
    return f'; the archive was unpacked one folder too deep: move the content of {inner} up' if inner.is_dir() else ''
