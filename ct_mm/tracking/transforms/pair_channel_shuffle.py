"""PairChannelShuffle: other colours from few photographs."""
import numpy as np
from mmcv.transforms import BaseTransform

from ct_mm.registry import TRANSFORMS

from .pair_sides import pair_sides


@TRANSFORMS.register_module()
class PairChannelShuffle(BaseTransform):
    """Permutes the colour channels, of all images of a pair alike.

    No part of the published recipe: it is for training on a handful of photographs, whose colours would else be
    learnt by heart.

    Args:
        prob: Probability of a permutation (which may be the identity). Defaults to 0.5.
    """

    def __init__(self, prob: float = 0.5) -> None:
        if not 0 <= prob <= 1:
            raise ValueError(f'PairChannelShuffle: prob must be in [0, 1], got {prob}')
        self.prob = prob

    def transform(self, results: dict) -> dict:
        """Changes ``img`` (H, W, 3) of all sides; draws from ``results['rng']``."""
        if results['rng'].random() < self.prob:
            order = results['rng'].permutation(3)
            for side in pair_sides(results):
                side['img'] = np.asarray(side['img'])[..., order]
        return results

    def __repr__(self) -> str:
        return f'PairChannelShuffle(prob={self.prob})'
