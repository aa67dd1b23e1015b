"""Transforms that work on one results dict holding a template frame and a search frame."""
from .context_crop_pair import ContextCropPair
from .crop import box_from_crop, box_to_crop, crop_image
from .crop_pair import CropPair
from .load_pair import LoadPair
from .pack_track_inputs import PackTrackInputs
from .pair_brightness import PairBrightness
from .pair_channel_shuffle import PairChannelShuffle
from .pair_color_jitter import PairColorJitter
from .pair_downscale import PairDownscale
from .pair_flip import PairFlip
from .pair_grayscale import PairGrayscale
from .pair_three_augment import PairThreeAugment
from .sample_pair import SamplePair
from .template_mask import TemplateMask

__all__ = [
    'ContextCropPair', 'CropPair', 'LoadPair', 'PackTrackInputs', 'PairBrightness', 'PairChannelShuffle',
    'PairColorJitter', 'PairDownscale', 'PairFlip', 'PairGrayscale', 'PairThreeAugment', 'SamplePair', 'TemplateMask',
    'box_from_crop', 'box_to_crop', 'crop_image'
]
