"""PairColorJitter: changes brightness, contrast and saturation of each image."""
import cv2
import numpy as np

from ct_mm.registry import TRANSFORMS

from .pair_sides import PairTransform, pair_sides


@TRANSFORMS.register_module()
class PairColorJitter(PairTransform):
    """Changes brightness, contrast and saturation of each image of a pair by its own factors, in random order.

    Each factor is uniform in [1 - range, 1 + range]. Brightness scales the image, contrast its difference to the mean
    of its grey version, saturation its difference to its grey version. Source: the LoRAT recipe.

    Args:
        brightness: Range of the factor of brightness. Defaults to 0.4.
        contrast: Range of the factor of contrast. Defaults to 0.4.
        saturation: Range of the factor of saturation. Defaults to 0.4.

    Raises:
        ValueError: A range is not in [0, 1].
    """

    def __init__(self, brightness: float = 0.4, contrast: float = 0.4, saturation: float = 0.4) -> None:
        self.brightness, self.contrast, self.saturation = brightness, contrast, saturation
        for name, value in vars(self).items():
            if not 0 <= value <= 1:
                raise ValueError(f'PairColorJitter: {name} must be in [0, 1], got {value}')

    def transform(self, results: dict) -> dict:
        """Replaces ``img`` (H, W, 3) uint8 of all sides; draws from ``results['rng']``."""
        rng, ranges = results['rng'], (self.brightness, self.contrast, self.saturation)
        for side in pair_sides(results):
            image = np.asarray(side['img'])
            factors = [rng.uniform(1 - each, 1 + each) for each in ranges]
            for kind in rng.permutation(3):
                image = blend(image, factors[kind], kind)
            side['img'] = image
        return results


def blend(image: np.ndarray, factor: float, kind: int) -> np.ndarray:
    """Mixes an image with black (kind 0), the mean of its grey version (1) or its grey version (2).

    Args:
        image: (H, W, 3) RGB uint8.
        factor: Weight of the image; that of the other one is 1 - factor.
        kind: 0, 1 or 2.

    Returns:
        (H, W, 3) uint8.

    Examples:
        >>> blend(np.full((1, 1, 3), 100, np.uint8), 1.2, 0).tolist()
        [[[120, 120, 120]]]
    """
    if kind == 2:
        grey = cv2.cvtColor(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)
        return cv2.addWeighted(image, factor, grey, 1 - factor, 0)  # rounded and clipped
    offset = 0 if kind == 0 else (1 - factor) * cv2.cvtColor(image, cv2.COLOR_RGB2GRAY).mean()
    table = np.clip(np.arange(256) * factor + offset + 0.5, 0, 255).astype(np.uint8)  # (256,)
    return cv2.LUT(image, table)
