"""Files that ship with the package, found alike in a checkout and in an installed wheel."""
from __future__ import annotations

import os
from pathlib import Path

#: What a path begins with that is meant inside the package, as in MMEngine's base files.
PREFIX = 'ct_mm::'

# In a checkout these are links to the folders of the same name at its root, in a wheel they are the folders.
_SHIPPED = Path(__file__).resolve().parent / '.mim'


def package_file(name: str | os.PathLike) -> Path:
    """Finds a file or folder that ships with the package.

    Args:
        name: Path from the root of the project, such as ``demo/clips`` or ``configs/_base_/compress.py``.

    Returns:
        Its absolute path.

    Raises:
        FileNotFoundError: If the package has no such file; names where was looked and what is there.
    """
    path = _SHIPPED / name
    if path.exists():
        return path.resolve()
    present = path.parent
    while not present.exists():
        present = present.parent
    there = ', '.join(sorted(entry.name for entry in present.iterdir())[:20]) if present.is_dir() else 'a file'
    raise FileNotFoundError(f'ct_mm ships no {os.fspath(name)}: looked for {path}; in {present} there is: {there}')


def resolve_path(path: str | os.PathLike) -> str:
    """Resolves ``ct_mm::demo/clips`` inside the package and leaves every other path as it is.

    Args:
        path: A path, or one inside the package behind the prefix ``ct_mm::``.

    Returns:
        The path as a string.

    Raises:
        FileNotFoundError: If the path has the prefix and the package has no such file.
    """
    path = os.fspath(path)
    return str(package_file(path[len(PREFIX):])) if path.startswith(PREFIX) else path


def split_files(text: str) -> tuple[str, str]:
    """Splits ``FIRST:SECOND``, of which either may begin with ``ct_mm::``, a drive of Windows or ``https://``.

    Returns:
        Both; the second is empty if there is none.
    """
    first, colon, second = text.replace(PREFIX, 'ct_mm\0').partition(':')
    if colon and len(first) == 1 and second.startswith('\\'):  # the drive of a path on Windows
        rest, _, second = second.partition(':')
        first = f'{first}:{rest}'
    return first.replace('\0', '::'), second.replace('\0', '::')
