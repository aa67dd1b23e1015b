"""Datasets of single-object tracking; importing this package registers them."""
from ct_mm.tracking.datasets.composite_pairs import CompositePairs
from ct_mm.tracking.datasets.draw_sampler import DrawSampler
from ct_mm.tracking.datasets.got10k import GOT10kDataset
from ct_mm.tracking.datasets.image_io import read_image
from ct_mm.tracking.datasets.lasot import LaSOTDataset
from ct_mm.tracking.datasets.lasot_ext import LaSOTExtDataset
from ct_mm.tracking.datasets.pair_dataset import PairDataset
from ct_mm.tracking.datasets.segment_folder import SegmentFolder
from ct_mm.tracking.datasets.sequence_dataset import SequenceDataset
from ct_mm.tracking.datasets.sequence_folder import SequenceFolder
from ct_mm.tracking.datasets.sequence_pairs import SequencePairs
from ct_mm.tracking.datasets.skimage_segments import SkimageSegments
from ct_mm.tracking.datasets.trackingnet import TrackingNetDataset

__all__ = [
    'CompositePairs',
    'DrawSampler',
    'GOT10kDataset',
    'LaSOTDataset',
    'LaSOTExtDataset',
    'PairDataset',
    'SegmentFolder',
    'SequenceDataset',
    'SequenceFolder',
    'SequencePairs',
    'SkimageSegments',
    'TrackingNetDataset',
    'read_image',
]
