"""The registries of ct_mm, children of MMEngine's, so that ``type='ct_mm.X'`` works in any codebase.

A registry imports its locations when it first looks up a name. Configs therefore need no ``custom_imports``, and
importing ``ct_mm`` alone stays cheap.
"""
import ct_mm

ct_mm.require_openmmlab()

from mmengine import registry as mmengine_registry  # noqa: E402  (after the check, so that its error is shown)
from mmengine.registry import Registry as _Registry  # noqa: E402

from ct_mm.settings import checked  # noqa: E402

#: Folders of this or an earlier version of the package whose modules define registered classes.
ROOMS = ('compression', 'engine', 'hooks', 'loops', 'optim', 'tracking')


class Registry(_Registry):
    """A registry that also finds classes of this package by their former module paths.

    Pure-Python configs name a class by its module. Modules may move, but registered names do not change. The classes of
    this package check their arguments, see :mod:`ct_mm.settings`.
    """

    def get(self, key: str):
        """Returns the class with a registered name, or with a module path that ends in one."""
        found = super().get(key)
        path, _, name = key.removeprefix('ct_mm.').rpartition('.')
        return super().get(name) if found is None and path.partition('.')[0] in ROOMS else found

    def _register_module(self, module, *args, **kwargs) -> None:
        super()._register_module(module, *args, **kwargs)
        if module.__module__.startswith('ct_mm.') and '__init__' in vars(module):
            checked(module)


DATASETS = Registry(
    'dataset', parent=mmengine_registry.DATASETS, scope='ct_mm',
    locations=['ct_mm.tracking.datasets.benchmarks', 'ct_mm.tracking.datasets.pairs'])
DATA_SAMPLERS = Registry(
    'data sampler', parent=mmengine_registry.DATA_SAMPLERS, scope='ct_mm', locations=['ct_mm.tracking.datasets.pairs'])
TRANSFORMS = Registry(
    'transform', parent=mmengine_registry.TRANSFORMS, scope='ct_mm', locations=['ct_mm.tracking.transforms'])
MODELS = Registry(
    'model', parent=mmengine_registry.MODELS, scope='ct_mm', locations=['ct_mm.compression', 'ct_mm.tracking.models'])
METRICS = Registry('metric', parent=mmengine_registry.METRICS, scope='ct_mm', locations=['ct_mm.tracking.evaluation'])
HOOKS = Registry(
    'hook', parent=mmengine_registry.HOOKS, scope='ct_mm',
    locations=['ct_mm.engine.hooks', 'ct_mm.compression.hooks', 'ct_mm.tracking.hooks'])
RUNNERS = Registry('runner', parent=mmengine_registry.RUNNERS, scope='ct_mm', locations=['ct_mm.compression'])
OPTIM_WRAPPERS = Registry(
    'optim wrapper', parent=mmengine_registry.OPTIM_WRAPPERS, scope='ct_mm', locations=['ct_mm.engine.optim'])
PARAM_SCHEDULERS = Registry(
    'parameter scheduler', parent=mmengine_registry.PARAM_SCHEDULERS, scope='ct_mm', locations=['ct_mm.engine.optim'])
LOOPS = Registry(
    'loop', parent=mmengine_registry.LOOPS, scope='ct_mm',
    locations=['ct_mm.engine.loops', 'ct_mm.tracking.evaluation'])
