"""PairChannelShuffle: varies the colours of a small set of photographs."""
import numpy as np

from ct_mm.registry import TRANSFORMS

from .pair_sides import PairTransform, pair_sides


@TRANSFORMS.register_module()
class PairChannelShuffle(PairTransform):
    """Permutes the colour channels, in the same way for all images of a pair.

    This is not part of the published recipe. Use it to train on a handful of photographs, whose colours the tracker
    would otherwise memorise.

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
