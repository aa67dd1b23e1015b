"""Converts the weights that the authors released."""
from .file import convert_sutrack_file
from .weights import SUTrackWeights, convert_sutrack_keys

__all__ = ['SUTrackWeights', 'convert_sutrack_file', 'convert_sutrack_keys']
