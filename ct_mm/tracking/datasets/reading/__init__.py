"""Frames and annotations in files, and sequences of them; no PyTorch is imported."""
from .frame_files import FrameFiles
from .frame_sequence import BadFrameError, FrameSequence
from .image_file import ImageFile, read_image

__all__ = ['BadFrameError', 'FrameFiles', 'FrameSequence', 'ImageFile', 'read_image']
