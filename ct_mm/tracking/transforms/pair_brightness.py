"""PairBrightness: makes each image a little brighter or darker."""
import cv2
import numpy as np

from ct_mm.registry import TRANSFORMS

from .pair_sides import PairTransform, pair_sides


@TRANSFORMS.register_module()
class PairBrightness(PairTransform):
    """Multiplies each image of a pair by its own factor, drawn uniformly from [1 - range, 1 + range].

    The factors are independent, as in the OSTrack recipe: the light may change between the frames.

    Args:
        range: Largest relative change. Defaults to 0.2, the OSTrack recipe.
    """

    def __init__(self, range: float = 0.2) -> None:
        if not 0 <= range <= 1:
            raise ValueError(f'PairBrightness: range must be in [0, 1], got {range}')
        self.range = range

    def transform(self, results: dict) -> dict:
        """Replaces ``img`` of all sides."""
        for side in pair_sides(results):
            factor = results['rng'].uniform(1 - self.range, 1 + self.range)
            table = np.clip(np.arange(256) * factor + 0.5, 0, 255).astype(np.uint8)  # (256,)
            side['img'] = cv2.LUT(np.asarray(side['img']), table)
        return results
