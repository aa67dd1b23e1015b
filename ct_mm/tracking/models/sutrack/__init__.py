"""SUTrack: backbone, task head, tracker, and in ``converter`` the conversion of released weights."""
from .fast_itpn import FastITPN
from .sutrack import SUTrack
from .task_head import TaskHead

__all__ = ['FastITPN', 'SUTrack', 'TaskHead']
