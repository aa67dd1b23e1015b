"""Single-object tracking in MMEngine: models, data, evaluation and inference, independent of compression.

Names are imported on first access (PEP 562), and ``init_tracker`` imports only what the kind of tracker needs, so that
the package also works on devices without PyTorch.
"""
from importlib import import_module

_LAZY = {
    'FrameSource': 'video.frame_source',
    'MultiTracker': 'video.multi_tracker',
    'inference_sot': 'inference',
    'init_model': 'inference',
    'init_tracker': 'runtime.init_tracker',
}

__all__ = ['FrameSource', 'MultiTracker', 'inference_sot', 'init_model', 'init_tracker']


def __getattr__(name: str):
    """Imports a public name on first access."""
    if name in _LAZY:
        return getattr(import_module(f'{__name__}.{_LAZY[name]}'), name)
    raise AttributeError(f'module {__name__!r} has no attribute {name!r}')
