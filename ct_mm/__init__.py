"""ct_mm compresses transformer trackers inside OpenMMLab.

Importing it is cheap (no torch, no MMEngine, no codebase): the registries import a wing when a config first names
something of it. ``ct_mm.compress`` and ``ct_mm.CompressRunner`` are fetched when first asked for. A device that only
runs exported trackers needs neither MMEngine nor MMCV; whatever else is used says what is missing.
"""
from importlib.metadata import PackageNotFoundError, distribution
from importlib.util import find_spec

from . import package_files as _package_files
from .version import __version__

__all__ = ['CompressRunner', '__version__', 'compress']

_LAZY = ('CompressRunner', 'compress')


def require_openmmlab() -> None:
    """Checks that MMEngine and MMCV can be imported, from whichever of their two distributions.

    Neither is a plain requirement of the package: the maintained forks and the originals fill the same
    modules, so a requirement on one would overwrite the other in an environment that has it.

    Raises:
        ImportError: If one is missing; says which, and how to get the one that goes with what is there.
    """
    missing = [name for name in ('mmengine', 'mmcv') if find_spec(name) is None]
    if not missing:
        return
    forks = 'pip install onedl-mmengine onedl-mmcv onedl-mim'
    originals = 'pip install mmengine mmcv-lite'
    choice = f'either the maintained forks ({forks}) or the originals ({originals}), never both'
    commands = dict.fromkeys(['onedl-mmengine', 'onedl-mmcv'], forks)
    commands.update(dict.fromkeys(['mmengine', 'mmcv', 'mmcv-lite'], originals))
    for name, command in commands.items():
        try:
            distribution(name)
        except PackageNotFoundError:
            continue
        choice = f'to go with the {name} of this environment: {command}'
        break
    raise ImportError(f'ct_mm needs {" and ".join(missing)}, not installed here. Install {choice}.')


def __getattr__(name: str):
    """Fetches the public names of the compression wing when they are first asked for (PEP 562)."""
    if name in _LAZY:
        from . import compression
        return getattr(compression, name)
    raise AttributeError(f'module {__name__!r} has no attribute {name!r}')


def __dir__() -> list:
    """Lists the lazy names too."""
    return sorted({*globals(), *_LAZY})


_package_files.register_with_mmengine()
