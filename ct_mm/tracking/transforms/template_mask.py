"""TemplateMask: tells the tracker which tokens of a template show the target."""
import numpy as np

from ct_mm.registry import TRANSFORMS
from ct_mm.tracking.runtime.template_mask import fraction_mask, touched_mask

from .pair_sides import PairTransform, pair_sides


@TRANSFORMS.register_module()
class TemplateMask(PairTransform):
    """Adds to each template a mask of its tokens, which ``PackTrackInputs`` packs as ``template_mask``.

    Put it after ``CropPair``: it reads ``bbox``, xyxy in pixels of the crop, and the size of ``img``, and adds ``mask``
    (G, G) float32.

    Args:
        cell: Side of a token in pixels. Defaults to 16.
        rule: ``'fraction'``, the part of the token's pixels inside the box (SUTrack; the box is normalised by side - 1,
            as in its authors' code), or ``'touched'``, 1 for each token that the box touches (LoRAT). Defaults to
            ``'fraction'``.

    Raises:
        ValueError: The rule is unknown, or the side of a template is not a multiple of ``cell``.

    Examples:
        >>> side = lambda: dict(img=np.zeros((32, 32, 3), np.uint8), bbox=np.array([0., 0., 31., 15.5], np.float32))
        >>> TemplateMask()(dict(template=side(), search=side()))['template']['mask'].tolist()
        [[1.0, 1.0], [0.0, 0.0]]
    """

    def __init__(self, cell: int = 16, rule: str = 'fraction') -> None:
        if rule not in ('fraction', 'touched'):
            raise ValueError(f"TemplateMask: rule must be 'fraction' or 'touched', got {rule!r}")
        if cell < 1:
            raise ValueError(f'TemplateMask: cell must be at least 1, got {cell}')
        self.cell, self.rule = cell, rule

    def transform(self, results: dict) -> dict:
        """Adds ``mask`` to each template."""
        for side in pair_sides(results)[:-1]:
            box, size = np.asarray(side['bbox'], np.float32), side['img'].shape[0]
            if self.rule == 'touched':
                side['mask'] = touched_mask(box, size, self.cell)
            else:
                xywh = np.concatenate([box[:2], box[2:] - box[:2]]) / np.float32(size - 1)
                side['mask'] = fraction_mask(xywh, size, self.cell)
        return results
