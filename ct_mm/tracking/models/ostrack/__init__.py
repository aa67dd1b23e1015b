"""OSTrack: its backbone, its tracker, and in ``converter`` the weights that its authors released."""
from .one_stream_vit import OneStreamViT
from .ostrack import OSTrack

__all__ = ['OSTrack', 'OneStreamViT']
