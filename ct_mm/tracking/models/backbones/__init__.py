"""Backbones of trackers."""
from .one_stream_vit import OneStreamViT

__all__ = ['OneStreamViT']
