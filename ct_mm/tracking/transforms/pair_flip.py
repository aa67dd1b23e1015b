"""PairFlip: images are mirrored."""
import cv2
import numpy as np
from mmcv.transforms import BaseTransform

from ct_mm.registry import TRANSFORMS
from ct_mm.tracking.datasets.reading import ImageFile

from .pair_sides import pair_sides


@TRANSFORMS.register_module()
class PairFlip(BaseTransform):
    """Mirrors images and boxes of a pair left to right. Comes before ``CropPair``.

    Args:
        prob: Probability. Defaults to 0.5, the OSTrack recipe.
        joint: Whether all images of the pair are mirrored or none. Defaults to True. The released code of OSTrack and
            CompressTracker mirrors both jointly first and then each crop by a draw of its own, which together is
            ``joint=False``: half of its pairs show the target mirrored.
    """

    def __init__(self, prob: float = 0.5, joint: bool = True) -> None:
        if not 0 <= prob <= 1:
            raise ValueError(f'PairFlip: prob must lie in [0, 1], got {prob}')
        self.prob, self.joint = prob, joint

    def transform(self, results: dict) -> dict:
        """Replaces ``img`` and ``bbox`` (xywh, pixels) of a side with probability ``prob``."""
        sides = pair_sides(results)
        draws = [results['rng'].random()] * len(sides) if self.joint else results['rng'].random(len(sides))
        for side, draw in zip(sides, draws):
            if draw < self.prob:
                x, y, w, h = side['bbox']
                image = side['img']
                side['bbox'] = np.array([image.shape[1] - x - w, y, w, h], np.float64)
                side['img'] = image.mirrored() if isinstance(image, ImageFile) else cv2.flip(image, 1)  # (H, W, 3)
        return results

    def __repr__(self) -> str:
        return f'PairFlip(prob={self.prob}, joint={self.joint})'
