"""Training pairs of frames from several sources; importing this package registers them."""
from .composite_pairs import CompositePairs
from .draw_sampler import DrawSampler
from .nearby_pairs import NearbyPairs
from .packed_pairs import PackedPairs
from .pair_dataset import PairDataset
from .score_pairs import ScorePairs
from .segment_folder import SegmentFolder
from .sequence_pairs import SequencePairs
from .skimage_segments import SkimageSegments
from .video_backgrounds import VideoBackgrounds

__all__ = [
    'CompositePairs', 'DrawSampler', 'NearbyPairs', 'PackedPairs', 'PairDataset', 'ScorePairs', 'SegmentFolder',
    'SequencePairs', 'SkimageSegments', 'VideoBackgrounds'
]
