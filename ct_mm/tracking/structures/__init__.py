"""Box conversions and the data sample that MMEngine passes around."""
from .boxes import cxcywh_to_xyxy, paired_giou, paired_iou, xywh_to_xyxy, xyxy_to_cxcywh, xyxy_to_xywh
from .track_data_sample import TrackDataSample

__all__ = [
    'TrackDataSample', 'cxcywh_to_xyxy', 'paired_giou', 'paired_iou', 'xywh_to_xyxy', 'xyxy_to_cxcywh', 'xyxy_to_xywh'
]
