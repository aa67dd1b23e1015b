"""What the tracking wing passes around: boxes, frame sequences and data samples."""
from ct_mm.tracking.structures.bad_frame_error import BadFrameError
from ct_mm.tracking.structures.boxes import (
    cxcywh_to_xyxy,
    paired_giou,
    paired_iou,
    xywh_to_xyxy,
    xyxy_to_cxcywh,
    xyxy_to_xywh,
)
from ct_mm.tracking.structures.frame_files import FrameFiles
from ct_mm.tracking.structures.frame_sequence import FrameSequence
from ct_mm.tracking.structures.image_file import ImageFile
from ct_mm.tracking.structures.track_data_sample import TrackDataSample

__all__ = [
    'BadFrameError', 'FrameFiles', 'FrameSequence', 'ImageFile', 'TrackDataSample', 'cxcywh_to_xyxy',
    'paired_giou', 'paired_iou', 'xywh_to_xyxy', 'xyxy_to_cxcywh', 'xyxy_to_xywh'
]
