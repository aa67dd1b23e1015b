"""Converts weights released by other projects."""
from .file import convert_ostrack_file
from .weights import OSTrackWeights, convert_ostrack_keys

__all__ = ['OSTrackWeights', 'convert_ostrack_file', 'convert_ostrack_keys']
