"""Trackers: shared parts and one folder per family; importing this package registers them."""
from . import layers, lorat, mixformerv2, ostrack, sutrack
from .base_tracker import BaseTracker
from .track_data_preprocessor import TrackDataPreprocessor

__all__ = ['BaseTracker', 'TrackDataPreprocessor', 'layers', 'lorat', 'mixformerv2', 'ostrack', 'sutrack']
