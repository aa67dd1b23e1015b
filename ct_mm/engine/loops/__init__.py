"""Training loops that resume exactly where they were stopped."""
from .guarded_epoch_loop import GuardedEpochLoop
from .guarded_iter_loop import GuardedIterLoop

__all__ = ['GuardedEpochLoop', 'GuardedIterLoop']
