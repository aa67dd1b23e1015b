"""PairThreeAugment: makes a pair grey, solarised or blurred."""
import cv2
import numpy as np

from ct_mm.registry import TRANSFORMS

from .pair_sides import PairTransform, pair_sides


@TRANSFORMS.register_module()
class PairThreeAugment(PairTransform):
    """Always applies one of three changes, drawn with equal odds, to all images of a pair.

    The image becomes grey, or its values above 127 are inverted (solarised), or it is blurred with a Gaussian whose
    standard deviation is uniform in ``blur`` pixels, the same for all images. Source: 3-Augment of DeiT III (arXiv
    2204.07118), as in the LoRAT recipe. Put it after the crop, since the blur is in pixels of the crop.

    Args:
        blur: Smallest and largest standard deviation in pixels. Defaults to (0.1, 2.0).

    Raises:
        ValueError: ``blur`` is not two ordered positive numbers.
    """

    def __init__(self, blur: tuple[float, float] = (0.1, 2.0)) -> None:
        if len(blur) != 2 or not 0 < blur[0] <= blur[1]:
            raise ValueError(f'PairThreeAugment: blur must be two ordered positive numbers, got {blur}')
        self.blur = tuple(blur)

    def transform(self, results: dict) -> dict:
        """Replaces ``img`` (H, W, 3) uint8 of all sides; draws from ``results['rng']``."""
        rng = results['rng']
        kind, sigma = int(rng.integers(3)), rng.uniform(*self.blur)
        for side in pair_sides(results):
            image = np.asarray(side['img'])
            if kind == 0:
                image = cv2.cvtColor(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)
            elif kind == 1:
                image = np.where(image > 127, 255 - image, image)
            else:
                image = cv2.GaussianBlur(image, (0, 0), sigma)
            side['img'] = image
        return results
