"""Trackers."""
from .base_tracker import BaseTracker
from .ostrack import OSTrack

__all__ = ['BaseTracker', 'OSTrack']
