"""PairGrayscale: both images lose their colour together."""
import cv2
from mmcv.transforms import BaseTransform

from ct_mm.registry import TRANSFORMS


@TRANSFORMS.register_module()
class PairGrayscale(BaseTransform):
    """Turns both RGB images of a pair into grey ones (still three channels), or neither.

    Args:
        prob: Probability. Defaults to 0.05, the OSTrack recipe.
    """

    def __init__(self, prob: float = 0.05) -> None:
        if not 0 <= prob <= 1:
            raise ValueError(f'PairGrayscale: prob must lie in [0, 1], got {prob}')
        self.prob = prob

    def transform(self, results: dict) -> dict:
        """Replaces ``img`` of both sides with probability ``prob``."""
        if results['rng'].random() < self.prob:
            for name in ('template', 'search'):
                grey = cv2.cvtColor(results[name]['img'], cv2.COLOR_RGB2GRAY)  # (H, W)
                results[name]['img'] = cv2.cvtColor(grey, cv2.COLOR_GRAY2RGB)  # (H, W, 3)
        return results

    def __repr__(self) -> str:
        return f'PairGrayscale(prob={self.prob})'
