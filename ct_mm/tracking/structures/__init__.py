"""What the tracking wing passes around: frames in files, frame sequences, boxes and data samples.

Names that need PyTorch are fetched when they are first asked for (PEP 562), so that an exported tracker reads frames
without it.
"""
from importlib import import_module

from ct_mm.tracking.structures.bad_frame_error import BadFrameError
from ct_mm.tracking.structures.frame_files import FrameFiles
from ct_mm.tracking.structures.frame_sequence import FrameSequence
from ct_mm.tracking.structures.image_file import ImageFile

_LAZY = {
    'TrackDataSample': 'track_data_sample',
    'cxcywh_to_xyxy': 'boxes',
    'paired_giou': 'boxes',
    'paired_iou': 'boxes',
    'xywh_to_xyxy': 'boxes',
    'xyxy_to_cxcywh': 'boxes',
    'xyxy_to_xywh': 'boxes',
}

__all__ = [
    'BadFrameError', 'FrameFiles', 'FrameSequence', 'ImageFile', 'TrackDataSample', 'cxcywh_to_xyxy', 'paired_giou',
    'paired_iou', 'xywh_to_xyxy', 'xyxy_to_cxcywh', 'xyxy_to_xywh'
]


def __getattr__(name: str):
    """Fetches a name that needs PyTorch."""
    if name in _LAZY:
        return getattr(import_module(f'{__name__}.{_LAZY[name]}'), name)
    raise AttributeError(f'module {__name__!r} has no attribute {name!r}')
