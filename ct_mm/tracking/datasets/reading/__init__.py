"""Reading of frames, annotations and sequences from files, without importing PyTorch."""
from .frame_files import FrameFiles
from .frame_sequence import BadFrameError, FrameSequence
from .image_file import ImageFile, read_image

__all__ = ['BadFrameError', 'FrameFiles', 'FrameSequence', 'ImageFile', 'read_image']
