"""Finds the files that ship with the package, both in a checkout and in an installed wheel, also for MMEngine."""
from __future__ import annotations

import difflib
import os
import sys
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType

#: Prefix of paths inside the package, as in MMEngine's base files.
PREFIX = 'ct_mm::'

# In a checkout it contains links to the folders at the root; in a wheel it contains the folders.
_SHIPPED = Path(__file__).resolve().parent / '.mim'
# A wheel contains a second copy of tools/ and configs/ here, because onedl-mim uses the first folder in the
# installation record as the package folder (see setup.py). Paths to these configs are mapped to the package's own.
MIM_MIRROR = Path(__file__).resolve().parents[1] / 'ct-mm' / '.mim' / 'configs'
# The module with MMEngine's list of packages that may contain base files.
_PLACE = 'mmengine.config.utils'


def package_file(name: str | os.PathLike) -> Path:
    """Finds a file or folder that ships with the package.

    Args:
        name: Path from the root of the project, such as ``demo/clips`` or ``configs/_base_/compress.py``.

    Returns:
        Its absolute path.

    Raises:
        FileNotFoundError: If the package has no such file; names the searched path and what exists instead.
    """
    path = _SHIPPED / name
    if path.exists():
        return path.resolve()
    present = path.parent
    while not present.exists():
        present = present.parent
    there = ', '.join(sorted(entry.name for entry in present.iterdir())[:20]) if present.is_dir() else 'a file'
    raise FileNotFoundError(f'ct_mm ships no {os.fspath(name)}: looked for {path}; {present} contains: {there}')


def resolve_path(path: str | os.PathLike) -> str:
    """Resolves paths such as ``ct_mm::demo/clips`` inside the package and returns other paths unchanged.

    Args:
        path: A path; the prefix ``ct_mm::`` refers to a file of the package.

    Returns:
        The path as a string.

    Raises:
        FileNotFoundError: If the path has the prefix and the package has no such file.
    """
    path = os.fspath(path)
    return str(package_file(path[len(PREFIX):])) if path.startswith(PREFIX) else path


def split_files(text: str) -> tuple[str, str]:
    """Splits ``FIRST:SECOND``. Either part may start with ``ct_mm::``, a Windows drive or ``https://``.

    Returns:
        Both parts; the second is empty if it is missing.

    Examples:
        >>> split_files('ct_mm::configs/a.py:https://host/a.pth')
        ('ct_mm::configs/a.py', 'https://host/a.pth')
    """
    first, colon, second = text.replace(PREFIX, 'ct_mm\0').partition(':')
    if colon and len(first) == 1 and second.startswith('\\'):  # a Windows drive
        rest, _, second = second.partition(':')
        first = f'{first}:{rest}'
    return first.replace('\0', '::'), second.replace('\0', '::')


def register_with_mmengine() -> None:
    """Adds ct_mm to the packages that MMEngine searches for base files, now or once MMEngine is imported.

    MMEngine keeps a fixed list of them. Importing MMEngine only to extend it would make ``import ct_mm`` slow, and
    impossible on a device without MMEngine.
    """
    if _PLACE in sys.modules:
        _extend(sys.modules[_PLACE])
    elif not any(isinstance(finder, _Watcher) for finder in sys.meta_path):
        sys.meta_path.insert(0, _Watcher())


def _extend(utils: ModuleType) -> None:
    # MMEngine locates the named *distribution* before the module, and MMEngine 0.10.7 finds the wrong folder for an
    # editable install. A module inside the package is not a distribution and is in the right folder.
    utils.MODULE2PACKAGE.setdefault('ct_mm', 'ct_mm.version')


class _Watcher(MetaPathFinder, Loader):
    """An import hook that extends MMEngine's list when its module is imported, then removes itself."""

    def find_spec(self, name: str, path: object, target: ModuleType | None = None) -> ModuleSpec | None:
        if name != _PLACE:
            return None
        sys.meta_path.remove(self)
        spec = find_spec(name)
        if spec is None or spec.loader is None:
            return spec
        self._loader, spec.loader = spec.loader, self
        return spec

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        return self._loader.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        module.__spec__.loader = module.__loader__ = self._loader  # hide this loader
        self._loader.exec_module(module)
        _extend(module)


def find_config(name: str) -> str:
    """Finds a config by a path from the current folder, or else among those that ship with ct_mm.

    Args:
        name (str): A path, or the last parts of the path of a shipped config (``x.py``, ``folder/x.py``).

    Returns:
        str: The path of an existing file.

    Raises:
        FileNotFoundError: If no file matches; names both places and shipped configs with a similar name.
        ValueError: If several shipped configs match; lists them.
    """
    shipped = (_SHIPPED / 'configs').resolve()
    path = Path(name)
    if path.is_file():
        if MIM_MIRROR in path.resolve().parents:
            path = shipped / path.resolve().relative_to(MIM_MIRROR)
        return str(path)
    files = sorted(file for file in shipped.rglob('*.py') if file.is_file())
    hits = [file for file in files if file.parts[-len(path.parts):] == path.parts]
    if len(hits) == 1:
        return str(hits[0])
    if hits:
        listing = '\n  '.join(str(file.relative_to(shipped)) for file in hits)
        raise ValueError(f'config {name!r} matches several shipped configs; give more of the path:\n  {listing}')
    near = difflib.get_close_matches(path.name, [file.name for file in files], n=3)
    hint = f' Did you mean {" or ".join(near)}?' if near else ''
    raise FileNotFoundError(
        f'config {name!r} is neither a file relative to {Path.cwd()} nor one of the {len(files)} in {shipped}.{hint}')
