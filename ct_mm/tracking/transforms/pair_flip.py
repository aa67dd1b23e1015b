"""PairFlip: mirrors the images of a pair."""
import cv2
import numpy as np

from ct_mm.registry import TRANSFORMS
from ct_mm.tracking.datasets.reading import ImageFile

from .pair_sides import PairTransform, pair_sides


@TRANSFORMS.register_module()
class PairFlip(PairTransform):
    """Mirrors the images and boxes of a pair left to right. Put it before ``CropPair``.

    Args:
        prob: Probability of mirroring. Defaults to 0.5, the OSTrack recipe.
        joint: Whether one draw decides for all images of the pair. Defaults to True. The released code of OSTrack and
            CompressTracker first mirrors both frames jointly and then each crop by its own draw. Together this is
            ``joint=False``: in half of its pairs one side shows the target mirrored relative to the other.
    """

    def __init__(self, prob: float = 0.5, joint: bool = True) -> None:
        if not 0 <= prob <= 1:
            raise ValueError(f'PairFlip: prob must be in [0, 1], got {prob}')
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
