"""Messages to a user whose data set is not where it should be."""
from __future__ import annotations

import os
from pathlib import Path

_ARCHIVES = ('.zip', '.tar', '.gz', '.tgz', '.7z', '.rar')


def folder_listing(folder: str | os.PathLike, most: int = 15) -> str:
    """Some lines about a folder.

    Args:
        folder: The folder; it need not exist.
        most: How many names are shown. Defaults to 15.

    Returns:
        Names, folders with a slash; if archives are among them, that they are to be unpacked.
    """
    folder = Path(folder)
    if not folder.is_dir():
        return f'found: {folder} does not exist either (seen from {Path.cwd()})'
    with os.scandir(folder) as entries:
        names = sorted(entry.name + '/' * entry.is_dir() for entry in entries)
    lines = [f'found in {folder}:', *(f'    {name}' for name in names[:most] or ['nothing'])]
    if len(names) > most:
        lines.append(f'    ... {len(names) - most} more')
    archives = [name for name in names if name.lower().endswith(_ARCHIVES)]
    if archives:
        lines.append(f'{archives[0]}{" and others are archives" if len(archives) > 1 else " is an archive"}: unpack '
                     f'{"them" if len(archives) > 1 else "it"} first')
    return '\n'.join(lines)


def unpacked_too_deep(folder: Path) -> str:
    """The end of an error message if an archive was unpacked into a folder of its own name, else nothing.

    Args:
        folder: Folder of a sequence in which something was not found.
    """
    inner = folder / folder.name
    return f'; the archive was unpacked one folder too deep: move what is in {inner} up' if inner.is_dir() else ''
