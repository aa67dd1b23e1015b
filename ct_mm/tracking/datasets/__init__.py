"""Datasets of single-object tracking; importing this package registers them."""
from ct_mm.tracking.datasets.composite_pairs import CompositePairs
from ct_mm.tracking.datasets.draw_sampler import DrawSampler
from ct_mm.tracking.datasets.image_io import read_image
from ct_mm.tracking.datasets.pair_dataset import PairDataset
from ct_mm.tracking.datasets.segment_folder import SegmentFolder
from ct_mm.tracking.datasets.sequence_dataset import SequenceDataset
from ct_mm.tracking.datasets.sequence_folder import SequenceFolder
from ct_mm.tracking.datasets.sequence_pairs import SequencePairs
from ct_mm.tracking.datasets.skimage_segments import SkimageSegments

__all__ = [
    'CompositePairs',
    'DrawSampler',
    'PairDataset',
    'SegmentFolder',
    'SequenceDataset',
    'SequenceFolder',
    'SequencePairs',
    'SkimageSegments',
    'read_image',
]
