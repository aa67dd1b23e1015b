"""SegmentFolder: photographs with label maps in the same folder (the layout of BSDS500 exports)."""
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ct_mm.registry import DATASETS

from ..reading.image_file import read_image
from .segment_photos import SegmentPhotos


@DATASETS.register_module()
class SegmentFolder(SegmentPhotos):
    """Photographs of one folder, each with an 8-bit label map: ``train_12003.jpg``, ``train_12003_segments.png``.

    Args:
        data_root: The folder.
        splits: Use only files whose name begins with one of these, such as ``['train', 'val']``. Default: all.
        suffix: Ending of a photograph's name. Defaults to ``'.jpg'``.
        segments_suffix: Ending of the label map's name, which replaces ``suffix``. Defaults to ``'_segments.png'``.
        **kwargs: See :class:`SegmentPhotos`.

    Raises:
        FileNotFoundError: The folder does not exist or has no photographs, or a photograph has no label map.
    """

    def __init__(self, data_root: str | Path, splits: str | Sequence[str] = ('', ), suffix: str = '.jpg',
                 segments_suffix: str = '_segments.png', **kwargs) -> None:
        super().__init__(**kwargs)
        self.data_root, self.suffix, self.segments_suffix = Path(data_root), suffix, segments_suffix
        splits = [splits] if isinstance(splits, str) else splits
        found = sorted(self.data_root.glob(f'*{suffix}')) if self.data_root.is_dir() else []
        self.names = [str(path) for path in found
                      if path.name.startswith(tuple(splits)) and not path.name.endswith(segments_suffix)]
        if not self.names:
            expected = f'{self.data_root.name}/{splits[0]}NAME'
            raise FileNotFoundError(f'SegmentFolder: no photographs in data_root={str(self.data_root)!r} for splits='
                                    f'{list(splits)}; expected\n  {expected}{suffix}\n  {expected}{segments_suffix}')
        missing = [name for name in self.names if not self._labels(name).is_file()]
        if missing:
            raise FileNotFoundError(f'SegmentFolder: {len(missing)} of {len(self.names)} photographs have no label '
                                    f'map; the first is {missing[0]}, which needs {self._labels(missing[0]).name}')

    def _labels(self, name: str) -> Path:
        return Path(name[:-len(self.suffix)] + self.segments_suffix)

    def read(self, index: int) -> tuple[np.ndarray, list[np.ndarray]]:
        """Returns an image (H, W, 3) uint8 RGB and one label map (H, W) uint8.

        Raises:
            OSError: A file is damaged.
            ValueError: The label map is in colour, or its size differs from the photograph's.
        """
        file = self._labels(self.names[index])
        image, labels = read_image(self.names[index]), read_image(file)
        if (labels != labels[..., :1]).any():
            raise ValueError(f'{file} is a colour image; expected an 8-bit grey label map')
        if image.shape != labels.shape:
            raise ValueError(f'{file} is {labels.shape[1]}x{labels.shape[0]}, but its photograph is '
                             f'{image.shape[1]}x{image.shape[0]}')
        return image, [labels[..., 0]]
