"""CropPair: from two frames with boxes to the crops a tracker is trained on."""
import numpy as np
from mmcv.transforms import BaseTransform

from ct_mm.registry import TRANSFORMS
from ct_mm.tracking.datasets.reading import BadFrameError, ImageFile

from .crop import box_to_crop, crop_image, crop_window
from .pair_sides import pair_sides


@TRANSFORMS.register_module()
class CropPair(BaseTransform):
    """Cuts the templates around their boxes and the search region around a jittered box.

    The search box of size (w, h) becomes ``(w, h) * exp(scale_jitter * n)`` with one normal draw n for each side,
    and its centre moves by ``0.5 * center_jitter * sqrt(w * h) * u`` with u uniform in [-1, 1] for each axis, w and h
    being the jittered sides. Templates are cut without jitter. Source: the OSTrack recipe that CompressTracker
    (arXiv 2409.17564) keeps.

    Changes ``img`` of all sides to uint8 crops, and ``bbox`` of all to (4,) float32 xyxy in crop pixels, clipped to
    the crop. Returns None, so that the dataset draws another pair, if the centre of a target is outside of the image
    or of the crop, or less than one square pixel of it is left in the crop.

    Args:
        template_size: Side of the template in pixels. Defaults to 128.
        template_factor: Side of the template's crop over the geometric mean of the box's sides. Defaults to 2.0.
        search_size: Side of the search region in pixels. Defaults to 256.
        search_factor: As ``template_factor``, for the search region. Defaults to 4.0.
        center_jitter: Range of the jittered centre. Defaults to 3.0.
        scale_jitter: Standard deviation of the logarithm of the jittered sides. Defaults to 0.25.
        reduced: Whether a JPEG is decoded at half its scale where the crop is shrunk to half or less anyway. Large
            targets come a little faster then, but smoother than at test time. Defaults to False.
    """

    def __init__(self, template_size: int = 128, template_factor: float = 2.0, search_size: int = 256,
                 search_factor: float = 4.0, center_jitter: float = 3.0, scale_jitter: float = 0.25,
                 reduced: bool = False) -> None:
        if min(template_size, search_size) < 1 or min(template_factor, search_factor) <= 0:
            raise ValueError('CropPair: template_size, search_size, template_factor and search_factor must be positive')
        if min(center_jitter, scale_jitter) < 0:
            raise ValueError('CropPair: center_jitter and scale_jitter must not be negative')
        self.template_size, self.template_factor = template_size, template_factor
        self.search_size, self.search_factor = search_size, search_factor
        self.center_jitter, self.scale_jitter, self.reduced = center_jitter, scale_jitter, reduced

    def jitter(self, box: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """The box, (4,) xywh in pixels, that the search region is cut around."""
        size = box[2:] * np.exp(self.scale_jitter * rng.standard_normal(2))  # (2,)
        offset = 0.5 * self.center_jitter * np.sqrt(size.prod()) * rng.uniform(-1, 1, 2)  # (2,)
        return np.concatenate([box[:2] + 0.5 * box[2:] + offset - 0.5 * size, size])

    def transform(self, results: dict) -> dict | None:
        """Crops all sides of the pair.

        Raises:
            BadFrameError: A box has no area; the message names the frame.
            OSError: A frame cannot be read; the message names it.
        """
        *templates, searched = sides = pair_sides(results)
        for side in sides:
            box = np.asarray(side['bbox'], np.float64)
            if not np.isfinite(box).all() or (box[2:] <= 0).any():
                raise BadFrameError(f'the box {box.tolist()} (xywh) of {side.get("source", results["source"])} has no '
                                    'area: mend the annotation or mark the frame as not visible')
        around = self.jitter(np.asarray(searched['bbox'], np.float64), results['rng'])
        crops = [(searched, around, self.search_factor, self.search_size)]
        crops += [(side, side['bbox'], self.template_factor, self.template_size) for side in templates]
        if not all(self._is_usable(side, around, factor) for side, around, factor, _ in crops):
            return None
        for side, around, factor, _ in crops:
            if isinstance(side['img'], ImageFile):
                _, top, length = crop_window(around, factor)
                side['img'].expect(top + length)
        return results if all(self._crop(*crop) for crop in crops) else None

    @staticmethod
    def _is_usable(side: dict, around: np.ndarray, factor: float) -> bool:
        """Whether there is something to cut."""
        height, width = side['img'].shape[:2]
        x, y, w, h = side['bbox']
        # An object of less than a pixel after the jitter: nothing to see.
        return (0 <= x + w / 2 < width and 0 <= y + h / 2 < height and min(around[2:]) >= 1
                and crop_window(around, factor)[2] >= 2)

    def _crop(self, side: dict, around: np.ndarray, factor: float, size: int) -> bool:
        """Crops one side in place; False if its target is not usable."""
        crop, resize_factor = crop_image(side['img'], around, factor, size, self.reduced)
        x, y, w, h = box_to_crop(side['bbox'], around, resize_factor, size)
        if not (0 <= x + w / 2 < size and 0 <= y + h / 2 < size):
            return False
        box = np.clip([x, y, x + w, y + h], 0, size)  # (4,) xyxy
        side['img'], side['bbox'] = crop, box.astype(np.float32)
        return bool((box[2] - box[0]) * (box[3] - box[1]) >= 1)

    def __repr__(self) -> str:
        return (f'CropPair(template={self.template_size}x{self.template_factor}, '
                f'search={self.search_size}x{self.search_factor}, center_jitter={self.center_jitter}, '
                f'scale_jitter={self.scale_jitter}, reduced={self.reduced})')
