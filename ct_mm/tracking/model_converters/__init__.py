"""Weights that other projects released, under the names of this one."""
from .ostrack import OSTrackWeights, convert_ostrack_keys
from .ostrack_file import convert_ostrack_file

__all__ = ['OSTrackWeights', 'convert_ostrack_file', 'convert_ostrack_keys']
