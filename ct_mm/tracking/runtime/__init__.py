"""Trackers where they run: numpy, OpenCV and one inference runtime; no PyTorch and no MMEngine is imported."""
from ct_mm.tracking.runtime.init_tracker import init_tracker
from ct_mm.tracking.runtime.portable_tracker import PortableTracker

__all__ = ['PortableTracker', 'init_tracker']
