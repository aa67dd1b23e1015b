"""PairDownscale: simulates targets of a few pixels, as a distant camera sees them."""
import cv2
import numpy as np

from ct_mm.registry import TRANSFORMS

from .pair_sides import PairTransform, pair_sides


@TRANSFORMS.register_module()
class PairDownscale(PairTransform):
    """Shrinks all frames of a pair by one factor, so that their crops are as coarse as those of a small target.

    This is not part of the published recipe. Photographs contain few targets of 5 to 20 pixels, whereas aerial videos
    contain little else. Boxes keep fractional coordinates unless ``whole_pixels`` is set. Put it before ``CropPair``.

    Args:
        prob: Probability of shrinking a pair. Defaults to 0.5.
        max_factor: Largest factor; factors are drawn log-uniformly from [1, max_factor]. Defaults to 5.0.
        min_side: No target is shrunk below this geometric mean of its sides, in pixels. Defaults to 4.0.
        jpeg: Probability of compressing each shrunk frame as a JPEG, to imitate video compression. Defaults to 0.3.
        whole_pixels: Whether to round the box of a shrunk template to whole pixels, at least one, as in annotations.
            One pixel is a large part of a small target, and a tracker starts from no better box. Defaults to False.
    """

    def __init__(self, prob: float = 0.5, max_factor: float = 5.0, min_side: float = 4.0, jpeg: float = 0.3,
                 whole_pixels: bool = False) -> None:
        if not (0 <= prob <= 1 and 0 <= jpeg <= 1):
            raise ValueError(f'PairDownscale: prob={prob} and jpeg={jpeg} must be in [0, 1]')
        if max_factor < 1 or min_side <= 0:
            raise ValueError(f'PairDownscale: max_factor={max_factor} must be at least 1, min_side={min_side} positive')
        self.prob, self.max_factor, self.min_side, self.jpeg = prob, max_factor, min_side, jpeg
        self.whole_pixels = whole_pixels

    def transform(self, results: dict) -> dict:
        """Changes ``img`` (H, W, 3) and ``bbox``, xywh in pixels, of all sides; draws from ``results['rng']``."""
        rng, sides = results['rng'], pair_sides(results)
        if rng.random() >= self.prob:
            return results
        smallest = min(np.sqrt(side['bbox'][2] * side['bbox'][3]) for side in sides)
        factor = np.exp(rng.uniform(0, np.log(self.max_factor)))
        factor = min(factor, smallest / self.min_side)
        if not factor > 1:
            return results
        for side in sides:
            image = np.asarray(side['img'])
            height, width = (max(round(length / factor), 1) for length in image.shape[:2])
            # Sizes are rounded to whole pixels, so the actual scale differs slightly from the factor.
            scale = np.array([width / image.shape[1], height / image.shape[0]])
            image = cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA)
            if rng.random() < self.jpeg:
                _, data = cv2.imencode('.jpg', image, [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(40, 95))])
                image = cv2.imdecode(data, cv2.IMREAD_COLOR)
            side['img'], side['bbox'] = image, np.asarray(side['bbox'], np.float64) * [*scale, *scale]
        if self.whole_pixels:
            for side in sides[:-1]:  # the search frame's box is the training target, so it stays exact
                corners = np.round([side['bbox'][:2], side['bbox'][:2] + side['bbox'][2:]])  # (2, 2) x1 y1, x2 y2
                side['bbox'] = np.concatenate([corners[0], np.maximum(corners[1] - corners[0], 1)])
        return results
