"""SkimageSegments: composites without any data set, from the photographs inside the scikit-image wheel."""
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from ct_mm.registry import DATASETS

from ..reading.image_file import read_image
from .segment_photos import SegmentPhotos


@DATASETS.register_module()
class SkimageSegments(SegmentPhotos):
    """The natural colour photographs that scikit-image carries, cut by graph-based segmentation.

    For tests, demos and first steps: nothing is downloaded. Six photographs make no tracker that is worth much.

    The segmentation is that of Felzenszwalb and Huttenlocher (IJCV 2004), which has no randomness, at several
    scales; a region that is found again at another scale is not taken twice.

    Args:
        names: Files of ``skimage/data`` without their suffix. Defaults to the natural colour photographs.
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
        """Image (H, W, 3) uint8 RGB and one label map (H, W) for each scale."""
        image = read_image(self.names[index])
        scale = self.max_side / max(image.shape[:2])
        if scale < 1:  # before the segmentation, whose time grows with the image
            image = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        labels = [self._segment(image, scale=scale, sigma=0.8, min_size=150) for scale in self.scales]
        return image, labels
