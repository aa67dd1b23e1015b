"""Single-object tracking in MMEngine: models, data, evaluation and inference; it knows no compression.

Importing it is cheap: each name is fetched when it is first asked for (PEP 562), and ``init_tracker`` imports no more
than the kind of tracker that it loads needs. A device may have no PyTorch.
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
    """Fetches a public name."""
    if name in _LAZY:
        return getattr(import_module(f'{__name__}.{_LAZY[name]}'), name)
    raise AttributeError(f'module {__name__!r} has no attribute {name!r}')
