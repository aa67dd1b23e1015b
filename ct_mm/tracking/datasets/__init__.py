"""Datasets of single-object tracking; importing this package registers them."""
from ct_mm.tracking.datasets.composite_pairs import CompositePairs
from ct_mm.tracking.datasets.draw_sampler import DrawSampler
from ct_mm.tracking.datasets.got10k import GOT10kDataset
from ct_mm.tracking.datasets.image_io import read_image
from ct_mm.tracking.datasets.lasot import LaSOTDataset
from ct_mm.tracking.datasets.lasot_ext import LaSOTExtDataset
from ct_mm.tracking.datasets.nfs import NfSDataset
from ct_mm.tracking.datasets.otb100 import OTB100Dataset
from ct_mm.tracking.datasets.packed_pairs import PackedPairs
from ct_mm.tracking.datasets.pair_dataset import PairDataset
from ct_mm.tracking.datasets.segment_folder import SegmentFolder
from ct_mm.tracking.datasets.sequence_dataset import SequenceDataset
from ct_mm.tracking.datasets.sequence_folder import SequenceFolder
from ct_mm.tracking.datasets.sequence_pairs import SequencePairs
from ct_mm.tracking.datasets.skimage_segments import SkimageSegments
from ct_mm.tracking.datasets.sot_coco import SOTCocoDataset
from ct_mm.tracking.datasets.sot_imagenet_vid import SOTImageNetVIDDataset
from ct_mm.tracking.datasets.tnl2k import TNL2KDataset
from ct_mm.tracking.datasets.trackingnet import TrackingNetDataset
from ct_mm.tracking.datasets.uav123 import UAV123Dataset
from ct_mm.tracking.datasets.video_backgrounds import VideoBackgrounds

__all__ = [
    'CompositePairs',
    'DrawSampler',
    'GOT10kDataset',
    'LaSOTDataset',
    'LaSOTExtDataset',
    'NfSDataset',
    'OTB100Dataset',
    'PackedPairs',
    'PairDataset',
    'SOTCocoDataset',
    'SOTImageNetVIDDataset',
    'SegmentFolder',
    'SequenceDataset',
    'SequenceFolder',
    'SequencePairs',
    'SkimageSegments',
    'TNL2KDataset',
    'TrackingNetDataset',
    'UAV123Dataset',
    'VideoBackgrounds',
    'read_image',
]
