"""OSTrack: backbone, tracker, and in ``converter`` the conversion of released weights."""
from .one_stream_vit import OneStreamViT
from .ostrack import OSTrack

__all__ = ['OSTrack', 'OneStreamViT']
