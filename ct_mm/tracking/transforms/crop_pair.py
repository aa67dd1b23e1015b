"""CropPair: cuts the crops that a tracker is trained on from two frames with boxes."""
import numpy as np

from ct_mm.registry import TRANSFORMS
from ct_mm.tracking.datasets.reading import BadFrameError, ImageFile

from .crop import box_to_crop, crop_image, crop_window
from .pair_sides import PairTransform, pair_sides


@TRANSFORMS.register_module()
class CropPair(PairTransform):
    """Cuts the templates around their boxes and the search region around a jittered box.

    The search box of size (w, h) is scaled to ``(w, h) * exp(scale_jitter * n)``, with one normal draw n per side. Its
    centre then moves by ``0.5 * center_jitter * sqrt(w * h) * u``, where u is uniform in [-1, 1] for each axis, and w
    and h are the jittered sides. Templates are cut without jitter. Source: the OSTrack recipe, which CompressTracker
    (arXiv 2409.17564) keeps.

    Replaces ``img`` of all sides by uint8 crops, and ``bbox`` by (4,) float32 xyxy in crop pixels, clipped to the crop.
    Returns None, so that the dataset draws another pair, if the centre of a target lies outside the image or the crop,
    or if less than one square pixel of it remains in the crop.

    Args:
        template_size: Side of the template in pixels. Defaults to 128.
        template_factor: Ratio of the template crop's side to the geometric mean of the box's sides. Defaults to 2.0.
        search_size: Side of the search region in pixels. Defaults to 256.
        search_factor: Like ``template_factor``, for the search region. Defaults to 4.0.
        center_jitter: Range of the jitter of the centre. Defaults to 3.0.
        scale_jitter: Standard deviation of the logarithm of the jittered sides. Defaults to 0.25.
        reduced: Whether to decode a JPEG at half resolution if the crop is shrunk to half its size or less anyway.
            Large targets load slightly faster, but are smoother than at test time. Defaults to False.

    Raises:
        ValueError: An argument is out of range; the message names it.

    Examples:
        >>> side = lambda: dict(img=np.zeros((90, 120, 3), np.uint8), bbox=np.array([40., 30., 20., 20.]))
        >>> results = dict(template=side(), search=side(), source=['a.jpg'], rng=np.random.default_rng(0))
        >>> cropped = CropPair(center_jitter=0, scale_jitter=0)(results)
        >>> cropped['search']['img'].shape, cropped['search']['bbox'].tolist()
        ((256, 256, 3), [95.5, 95.5, 159.5, 159.5])
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
        """Returns the box, (4,) xywh in pixels, around which the search region is cut."""
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
                                    'area: correct the annotation or mark the frame as not visible')
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
        """Returns whether the target is in the image and the crop is large enough."""
        height, width = side['img'].shape[:2]
        x, y, w, h = side['bbox']
        # After the jitter a side may be shorter than a pixel, and then the crop would show nothing.
        return (0 <= x + w / 2 < width and 0 <= y + h / 2 < height and min(around[2:]) >= 1
                and crop_window(around, factor)[2] >= 2)

    def _crop(self, side: dict, around: np.ndarray, factor: float, size: int) -> bool:
        """Crops one side in place; returns False if its target cannot be used."""
        crop, resize_factor = crop_image(side['img'], around, factor, size, self.reduced)
        x, y, w, h = box_to_crop(side['bbox'], around, resize_factor, size)
        if not (0 <= x + w / 2 < size and 0 <= y + h / 2 < size):
            return False
        box = np.clip([x, y, x + w, y + h], 0, size)  # (4,) xyxy
        side['img'], side['bbox'] = crop, box.astype(np.float32)
        return bool((box[2] - box[0]) * (box[3] - box[1]) >= 1)
