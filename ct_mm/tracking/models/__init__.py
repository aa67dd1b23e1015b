"""Trackers and their parts."""
from . import backbones, data_preprocessors, heads, losses, trackers

__all__ = ['backbones', 'data_preprocessors', 'heads', 'losses', 'trackers']
