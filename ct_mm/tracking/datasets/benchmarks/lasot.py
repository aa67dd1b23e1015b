"""LaSOT, the benchmark of long sequences."""
from __future__ import annotations

import logging
import os
from collections.abc import Sequence
from pathlib import Path

from mmengine.logging import print_log

from ct_mm.registry import DATASETS
from ct_mm.tracking.datasets.benchmarks.sequence_dataset import SequenceDataset
from ct_mm.tracking.datasets.reading import FrameFiles, FrameSequence
from ct_mm.tracking.datasets.reading.annotation_io import read_names, read_numbers, read_series
from ct_mm.tracking.datasets.reading.folder_listing import unpacked_too_deep

_FLAGS = ('full_occlusion.txt', 'out_of_view.txt')
# The columns of the toolkit's annos/att/NAME.txt.
_ATTRIBUTES = ('Illumination Variation', 'Partial Occlusion', 'Deformation', 'Motion Blur', 'Camera Motion', 'Rotation',
               'Background Clutter', 'Viewpoint Change', 'Scale Variation', 'Full Occlusion', 'Fast Motion',
               'Out-of-View', 'Low Resolution', 'Aspect Ratio Change')


@DATASETS.register_module()
class LaSOTDataset(SequenceDataset):
    """LaSOT (Fan et al., CVPR 2019) as its authors ship it: 1,400 sequences of 70 classes, 2,500 frames on average.

    The target is visible where it is neither fully occluded nor out of view and, in training, its box has an area
    (PyTracking's rule). One box of the test set has a negative height (``tiger-6``, frame 118); it counts as having no
    area. In some releases a folder holds an image more than the annotation has lines; the sequence is what is
    annotated, as in the benchmark's toolkit.

    Challenges come with the toolkit and not with the images: put its ``annos/att`` under ``data_root`` and each
    sequence has its ``attributes``.

    Args:
        data_root: The folder with one folder per class, or directly with those of the sequences.
        split: ``'test'``, the 280 sequences of protocol II, or ``'train'``, all others of the 1,400 that are there.
            Defaults to ``'test'``.
        sequences: Names to take, in this order. Default: all of the split.
        **kwargs: See :class:`SequenceDataset`.

    Raises:
        FileNotFoundError: The folder, a test sequence or a file of a sequence is missing.
        ValueError: An annotation is not as it must be; the message names file and line.
    """

    tree = """    {root}/
        airplane/
            airplane-1/
                img/00000001.jpg ...
                groundtruth.txt      x,y,width,height, one line per frame
                full_occlusion.txt   0 or 1 per frame, in one line
                out_of_view.txt      0 or 1 per frame, in one line
        annos/att/airplane-1.txt     optional, from the toolkit: 14 times 0 or 1, in one line"""
    SPLITS = ('train', 'test')
    scores_flags = True  # flagged frames and frames without a box count differently
    METAINFO = dict(task_name='sot', benchmark='lasot')
    #: List of the test sequences.
    names_file = 'lasot_test.txt'

    def __init__(self, data_root: str | os.PathLike, split: str = 'test', sequences: Sequence[str] | None = None,
                 **kwargs) -> None:
        super().__init__(data_root, split=split, sequences=sequences, **kwargs)

    def list_units(self) -> list[str]:
        """The official names of the test set; the others that are there for training."""
        test = read_names(self.names_file)
        if self.split == 'test':
            self._folders = {name: _folder(self.data_root, name) for name in test}
            return test
        classes = dict.fromkeys(_class_of(name) for name in test)
        train = [name for name in (f'{label}-{number}' for label in classes for number in range(1, 21))
                 if name not in set(test)]
        folders = {name: _folder(self.data_root, name) for name in train}
        self._folders = {name: folder for name, folder in folders.items() if folder.is_dir()}
        there = list(self._folders)
        if there and len(there) < len(train):
            print_log(f'{self.title}: only {len(there)} of {len(train)} sequences are in {self.data_root}',
                      logger='current', level=logging.WARNING)
        return there

    def missing(self, units: list[str]) -> list[str]:
        """Units without a folder."""
        absent = [unit for unit in units if not self._folders[unit].is_dir()]
        too_deep = unpacked_too_deep(self.data_root / _class_of(absent[0])) if absent else ''
        if too_deep:
            raise FileNotFoundError(self.misplaced(f'there is no folder {absent[0]}{too_deep}', self.data_root))
        return absent

    def is_root(self, folder: Path) -> bool:
        """Whether a folder holds test sequences, be it in the folders of their classes or directly."""
        names = read_names(self.names_file)
        if folder.name in map(_class_of, names):  # the folder of a class
            return False
        return any(_folder(folder, name).is_dir() for name in names)

    def where(self, unit: str, frame: int) -> str:
        """The line of the annotation file."""
        return f'{self._folders[unit] / "groundtruth.txt"}:{frame + 1}'

    def watch(self, name: str) -> list[Path]:
        """The annotation files, the file of challenges and the folder of the images."""
        folder = self._folders[name]
        return [*(folder / file for file in ('groundtruth.txt', *_FLAGS, 'img')), self._attribute_file(name)]

    def read_unit(self, name: str) -> list[FrameSequence]:
        """The one sequence of a folder."""
        folder = self._folders[name]
        truth = folder / 'groundtruth.txt'
        if not truth.is_file():
            raise FileNotFoundError(self.misplaced(f'{folder} has no groundtruth.txt', folder))
        boxes = read_numbers(truth, columns=4)  # (T, 4) xywh
        visible = True
        for file in _FLAGS:
            flags = read_series(folder / file)  # (T,)
            if len(flags) != len(boxes):
                raise ValueError(f'{folder / file} has {len(flags)} flags, but {truth} has {len(boxes)} lines')
            visible = visible & (flags == 0)
        frames = FrameFiles.numbered(folder / 'img', first=1, digits=8, count=len(boxes))
        return [FrameSequence(name, frames, boxes, visible, attributes=self._attributes(name))]

    def _attribute_file(self, name: str) -> Path:
        return self.data_root / 'annos' / 'att' / f'{name}.txt'

    def _attributes(self, name: str) -> list[str] | None:
        path = self._attribute_file(name)
        if not path.is_file():
            return None
        flags = read_series(path)  # (14,)
        if len(flags) != len(_ATTRIBUTES):
            raise ValueError(f'{path} has {len(flags)} flags, but there are {len(_ATTRIBUTES)} attributes')
        return [attribute for attribute, flag in zip(_ATTRIBUTES, flags) if flag]


def _class_of(name: str) -> str:
    return name.rpartition('-')[0]


def _folder(root: Path, name: str) -> Path:
    within_class = root / _class_of(name) / name
    return within_class if within_class.is_dir() else root / name
