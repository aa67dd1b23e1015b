"""Single-object tracking in MMEngine: models, data, evaluation and inference; it knows no compression.

``init_tracker`` loads a tracker of any kind and imports no more than that one needs.
"""
from ct_mm.tracking.runtime import init_tracker

__all__ = ['inference_sot', 'init_model', 'init_tracker']

_LAZY = ('inference_sot', 'init_model')  # of PyTorch, which a device may not have


def __getattr__(name: str):
    """Fetches the names that need PyTorch when they are first asked for (PEP 562)."""
    if name in _LAZY:
        from ct_mm.tracking import inference
        return getattr(inference, name)
    raise AttributeError(f'module {__name__!r} has no attribute {name!r}')
