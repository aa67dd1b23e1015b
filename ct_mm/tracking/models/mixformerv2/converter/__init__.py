"""Converts the weights that the authors released."""
from .file import convert_mixformerv2_file
from .weights import convert_mixformerv2_keys

__all__ = ['convert_mixformerv2_file', 'convert_mixformerv2_keys']
