"""ct_mm compresses transformer trackers inside OpenMMLab.

Importing it is cheap and imports neither torch, MMEngine nor any codebase: the registries import a subpackage when a
config first names one of its classes, and ``ct_mm.compress`` and ``ct_mm.CompressRunner`` are imported on first access.
A device that only runs exported trackers needs neither MMEngine nor MMCV; all other parts report what is missing.
"""
from importlib.metadata import PackageNotFoundError, distribution
from importlib.util import find_spec

from . import package_files as _package_files
from .version import __version__

__all__ = ['CompressRunner', '__version__', 'compress']

_LAZY = ('CompressRunner', 'compress')


def require_openmmlab() -> None:
    """Checks that MMEngine and MMCV can be imported, from either the maintained forks or the originals.

    The package metadata requires neither: both variants install the same modules, so a requirement on one would
    overwrite the other in an environment that has it.

    Raises:
        ImportError: If one is missing; says which, and how to install the variant that matches the environment.
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
        choice = f'the variant that matches {name} in this environment: {command}'
        break
    raise ImportError(f'ct_mm needs {" and ".join(missing)}, missing in this environment. Install {choice}.')


def __getattr__(name: str):
    """Imports the public names of ``ct_mm.compression`` on first access (PEP 562)."""
    if name in _LAZY:
        from . import compression
        return getattr(compression, name)
    raise AttributeError(f'module {__name__!r} has no attribute {name!r}')


def __dir__() -> list:
    """Lists the lazy names too."""
    return sorted({*globals(), *_LAZY})


_package_files.register_with_mmengine()
