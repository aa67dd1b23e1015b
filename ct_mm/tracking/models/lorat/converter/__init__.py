"""Converts released weights of LoRAT."""
from .file import convert_dinov2_file, convert_lorat_file
from .weights import LoRATWeights, convert_lorat_keys

__all__ = ['LoRATWeights', 'convert_dinov2_file', 'convert_lorat_file', 'convert_lorat_keys']
