"""From images as loaded to tensors as the network wants them."""
from .track_data_preprocessor import TrackDataPreprocessor

__all__ = ['TrackDataPreprocessor']
