"""SkimageSegments: segments for composites from the photographs in the scikit-image wheel, without any dataset."""
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from ct_mm.registry import DATASETS

from ..reading.image_file import read_image
from .segment_photos import SegmentPhotos


@DATASETS.register_module()
class SkimageSegments(SegmentPhotos):
    """The natural colour photographs of scikit-image, divided by graph-based segmentation.

    Use it for tests, demos and first steps: nothing is downloaded. Six photographs are not enough for a good tracker.

    The segmentation is that of Felzenszwalb and Huttenlocher (IJCV 2004), which is deterministic, at several scales. A
    region that is found at more than one scale is used only once.

    Args:
        names: Files in ``skimage/data`` without their suffix. Default: the natural colour photographs.
        scales: Scales of the segmentation; larger ones give larger regions. Defaults to (100, 300, 900).
        **kwargs: See :class:`SegmentPhotos`.

    Raises:
        ImportError: scikit-image is not installed.
        FileNotFoundError: A photograph is not part of the installed scikit-image.
    """

    def __init__(self, names: Sequence[str] = ('astronaut', 'chelsea', 'coffee', 'ihc', 'motorcycle_left', 'rocket'),
                 scales: Sequence[float] = (100, 300, 900), **kwargs) -> None:
        super().__init__(**kwargs)
        self.scales = tuple(scales)
        try:
            import skimage.data
            import skimage.segmentation
        except ImportError as error:
            raise ImportError('SkimageSegments needs scikit-image: pip install scikit-image') from error
        self._segment = skimage.segmentation.felzenszwalb
        folder = Path(skimage.data.__file__).parent
        self.names = []
        for name in names:
            found = sorted(path for path in folder.glob(f'{name}.*') if path.suffix in ('.png', '.jpg'))
            if not found:
                there = sorted(path.stem for path in folder.iterdir() if path.suffix in ('.png', '.jpg'))
                raise FileNotFoundError(f'SkimageSegments: no {name!r} in scikit-image {skimage.__version__} '
                                        f'({folder}), which has {", ".join(there)}')
            self.names.append(str(found[0]))

    def read(self, index: int) -> tuple[np.ndarray, list[np.ndarray]]:
        """Returns an image (H, W, 3) uint8 RGB and one label map (H, W) for each scale."""
        image = read_image(self.names[index])
        scale = self.max_side / max(image.shape[:2])
        if scale < 1:  # segmenting a smaller image is faster
            image = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        return image, [self._segment(image, scale=scale, sigma=0.8, min_size=150) for scale in self.scales]
