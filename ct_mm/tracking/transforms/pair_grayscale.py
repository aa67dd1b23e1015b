"""PairGrayscale: all images of a pair lose their colour together."""
import cv2
from mmcv.transforms import BaseTransform

from ct_mm.registry import TRANSFORMS
from ct_mm.tracking.datasets.reading import ImageFile

from .pair_sides import pair_sides


@TRANSFORMS.register_module()
class PairGrayscale(BaseTransform):
    """Turns all RGB images of a pair into grey ones (still three channels), or none.

    Args:
        prob: Probability. Defaults to 0.05, the OSTrack recipe.
    """

    def __init__(self, prob: float = 0.05) -> None:
        if not 0 <= prob <= 1:
            raise ValueError(f'PairGrayscale: prob must lie in [0, 1], got {prob}')
        self.prob = prob

    def transform(self, results: dict) -> dict:
        """Replaces ``img`` of all sides with probability ``prob``."""
        if results['rng'].random() < self.prob:
            for side in pair_sides(results):
                image = side['img']
                side['img'] = image.grey() if isinstance(image, ImageFile) else cv2.cvtColor(
                    cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)  # (H, W, 3)
        return results

    def __repr__(self) -> str:
        return f'PairGrayscale(prob={self.prob})'
