"""What is in a folder, for messages to a user whose data set is not where it should be."""
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
