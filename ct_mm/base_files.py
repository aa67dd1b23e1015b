"""Lets MMEngine find ``ct_mm::folder/file.py`` as a base file."""
from __future__ import annotations

import sys
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from importlib.util import find_spec
from types import ModuleType

_PLACE = 'mmengine.config.utils'


def register() -> None:
    """Adds ct_mm to the packages in which MMEngine looks for base files: now, or once MMEngine is imported.

    MMEngine keeps a closed list of them, and importing it just to write there would take away from ``import ct_mm``
    that it is cheap, and that a device without MMEngine can do it.
    """
    if _PLACE in sys.modules:
        _extend(sys.modules[_PLACE])
    elif not any(isinstance(finder, _Watcher) for finder in sys.meta_path):
        sys.meta_path.insert(0, _Watcher())


def _extend(utils: ModuleType) -> None:
    # MMEngine asks the named *distribution* where it is before it asks the module, and MMEngine 0.10.7 gets a wrong
    # answer for an editable install; a module inside the package is no distribution, and lies in the same folder.
    utils.MODULE2PACKAGE.setdefault('ct_mm', 'ct_mm.version')


class _Watcher(MetaPathFinder, Loader):
    """Sees the one module being imported, and withdraws."""

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
        module.__spec__.loader = module.__loader__ = self._loader  # as if nobody had watched
        self._loader.exec_module(module)
        _extend(module)
