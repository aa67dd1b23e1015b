"""PairGrayscale: removes the colour from all images of a pair."""
import cv2

from ct_mm.registry import TRANSFORMS
from ct_mm.tracking.datasets.reading import ImageFile

from .pair_sides import PairTransform, pair_sides


@TRANSFORMS.register_module()
class PairGrayscale(PairTransform):
    """Converts either all RGB images of a pair to grey (still with three channels) or none of them.

    Args:
        prob: Probability of the conversion. Defaults to 0.05, the OSTrack recipe.
    """

    def __init__(self, prob: float = 0.05) -> None:
        if not 0 <= prob <= 1:
            raise ValueError(f'PairGrayscale: prob must be in [0, 1], got {prob}')
        self.prob = prob

    def transform(self, results: dict) -> dict:
        """Replaces ``img`` of all sides with probability ``prob``."""
        if results['rng'].random() < self.prob:
            for side in pair_sides(results):
                image = side['img']
                side['img'] = image.grey() if isinstance(image, ImageFile) else cv2.cvtColor(
                    cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)  # (H, W, 3)
        return results
