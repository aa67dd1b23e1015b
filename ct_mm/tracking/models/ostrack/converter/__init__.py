"""Weights that other projects released, under the names of this one."""
from .file import convert_ostrack_file
from .weights import OSTrackWeights, convert_ostrack_keys

__all__ = ['OSTrackWeights', 'convert_ostrack_file', 'convert_ostrack_keys']
