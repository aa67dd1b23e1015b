"""PairFlip: both images are mirrored together."""
import cv2
import numpy as np
from mmcv.transforms import BaseTransform

from ct_mm.registry import TRANSFORMS


@TRANSFORMS.register_module()
class PairFlip(BaseTransform):
    """Mirrors both images of a pair and their boxes left to right, or neither. Comes before ``CropPair``.

    Args:
        prob: Probability. Defaults to 0.5, the OSTrack recipe.
    """

    def __init__(self, prob: float = 0.5) -> None:
        if not 0 <= prob <= 1:
            raise ValueError(f'PairFlip: prob must lie in [0, 1], got {prob}')
        self.prob = prob

    def transform(self, results: dict) -> dict:
        """Replaces ``img`` and ``bbox`` (xywh, pixels) of both sides with probability ``prob``."""
        if results['rng'].random() < self.prob:
            for name in ('template', 'search'):
                side = results[name]
                x, y, w, h = side['bbox']
                side['img'] = cv2.flip(side['img'], 1)  # (H, W, 3)
                side['bbox'] = np.array([side['img'].shape[1] - x - w, y, w, h], np.float64)
        return results

    def __repr__(self) -> str:
        return f'PairFlip(prob={self.prob})'
