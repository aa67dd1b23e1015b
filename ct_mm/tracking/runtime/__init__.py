"""Runs trackers with numpy, OpenCV and one inference runtime, without importing PyTorch or MMEngine."""
from ct_mm.tracking.runtime.init_tracker import init_tracker
from ct_mm.tracking.runtime.portable_tracker import PortableTracker

__all__ = ['PortableTracker', 'init_tracker']
