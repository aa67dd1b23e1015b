"""A data set made up in memory, and result folders for it."""
import cv2
import numpy as np
import pytest

from ct_mm.tracking.datasets.reading import FrameSequence
from ct_mm.tracking.evaluation.results.result_folder import ResultFolder


class ToySet:
    """Sequences of one image and a box that walks; enough of a ``SequenceDataset`` for stored results."""

    def __init__(self, image, lengths, attributes=None, first_box_only=False):
        self.names, self.lengths = list(lengths), np.array(list(lengths.values()))
        self.image, self.attributes, self.first_box_only = str(image), attributes or {}, first_box_only
        self.data_root, self.metainfo = image.parent, {}

    def __len__(self):
        return len(self.names)

    def get_sequence(self, index):
        name, length = self.names[index], int(self.lengths[index])
        boxes = np.array([(20 + i, 30, 20, 16) for i in range(length)], float)
        if self.first_box_only:
            boxes[1:] = np.nan
        return FrameSequence(name, [self.image] * length, boxes, attributes=self.attributes.get(name, ()),
                             first_box_only=self.first_box_only)


@pytest.fixture
def toy_set(tmp_path):
    """Makes a :class:`ToySet` from the lengths of its sequences by name."""
    image = tmp_path / 'image.png'
    cv2.imwrite(str(image), np.full((90, 120, 3), 90, np.uint8))
    return lambda lengths, **keywords: ToySet(image, lengths, **keywords)


@pytest.fixture
def write_results(tmp_path):
    """Writes tracks that are off by some pixels, the same for all sequences or one number for each."""

    def make(tracker, dataset, shift=0.0, names=None, layout='plain'):
        folder = ResultFolder(tmp_path / tracker, layout)
        for index, name in enumerate(dataset.names):
            if names is None or name in names:
                length = int(dataset.lengths[index])
                off = shift[name] if isinstance(shift, dict) else shift
                boxes = np.array([(20 + i + off * (i > 0), 30, 20, 16) for i in range(length)], float)
                folder.write(name, boxes, np.full(length, 0.01) if layout == 'got10k' else None)
        return folder.path

    return make
