"""LaSOT, a benchmark of long sequences."""
from __future__ import annotations

import logging
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from mmengine.logging import print_log

from ct_mm.registry import DATASETS
from ct_mm.tracking.datasets.benchmarks.sequence_dataset import SequenceDataset
from ct_mm.tracking.datasets.reading import FrameFiles, FrameSequence
from ct_mm.tracking.datasets.reading.annotation_io import read_attributes, read_names, read_numbers, read_series
from ct_mm.tracking.datasets.reading.folder_listing import unpacked_too_deep

_FLAGS = ('full_occlusion.txt', 'out_of_view.txt')
# The columns of the toolkit's annos/att/NAME.txt.
_ATTRIBUTES = ('Illumination Variation', 'Partial Occlusion', 'Deformation', 'Motion Blur', 'Camera Motion', 'Rotation',
               'Background Clutter', 'Viewpoint Change', 'Scale Variation', 'Full Occlusion', 'Fast Motion',
               'Out-of-View', 'Low Resolution', 'Aspect Ratio Change')


@DATASETS.register_module()
class LaSOTDataset(SequenceDataset):
    """LaSOT (Fan et al., CVPR 2019) as its authors distribute it: 1,400 sequences of 70 classes.

    Sequences have 2,500 frames on average. The target is visible where it is neither fully occluded nor out of view
    and, in training, where its box has an area (PyTracking's rule). One box of the test set has a negative height
    (``tiger-6``, frame 118); it counts as having no area. In some releases a folder holds one image more than the
    annotation has lines; only annotated frames are used, as in the benchmark's toolkit.

    The challenges are distributed with the toolkit, not with the images. Put its ``annos/att`` into ``data_root`` to
    set the ``attributes`` of each sequence.

    Args:
        data_root: The folder with one subfolder per class, or per sequence.
        split: ``'test'``, the 280 sequences of protocol II, or ``'train'``, all others of the 1,400 that exist.
            Defaults to ``'test'``.
        sequences: Names to use, in this order. Default: all of the split.
        **kwargs: See :class:`SequenceDataset`.

    Raises:
        FileNotFoundError: The folder, a test sequence or a file of a sequence is missing.
        ValueError: An annotation is invalid; the message names file and line.
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
    scores_flags = True  # the metrics treat flagged frames and frames without a box differently
    METAINFO = dict(task_name='sot', benchmark='lasot')
    #: File with the names of the test sequences.
    names_file = 'lasot_test.txt'

    def __init__(self, data_root: str | os.PathLike, split: str = 'test', sequences: Sequence[str] | None = None,
                 **kwargs) -> None:
        super().__init__(data_root, split=split, sequences=sequences, **kwargs)

    def list_units(self) -> list[str]:
        """Returns the official names of the test set; for training, all other sequences that exist."""
        test = read_names(self.names_file)
        if self.split == 'test':
            self._folders = {name: _folder(self.data_root, name) for name in test}
            return test
        classes = dict.fromkeys(_class_of(name) for name in test)
        train = [name for name in (f'{label}-{number}' for label in classes for number in range(1, 21))
                 if name not in set(test)]
        folders = {name: _folder(self.data_root, name) for name in train}
        self._folders = {name: folder for name, folder in folders.items() if folder.is_dir()}
        if 0 < len(self._folders) < len(train):
            print_log(f'{self.title}: only {len(self._folders)} of {len(train)} sequences are in {self.data_root}',
                      logger='current', level=logging.WARNING)
        return list(self._folders)

    def missing(self, units: list[str]) -> list[str]:
        """Returns the units without a folder."""
        absent = [unit for unit in units if not self._folders[unit].is_dir()]
        too_deep = unpacked_too_deep(self.data_root / _class_of(absent[0])) if absent else ''
        if too_deep:
            raise FileNotFoundError(self.misplaced(f'folder {absent[0]} is missing{too_deep}', self.data_root))
        return absent

    def is_root(self, folder: Path) -> bool:
        """Returns whether a folder contains test sequences, either in class folders or directly."""
        names = read_names(self.names_file)
        if folder.name in map(_class_of, names):  # the folder of a class
            return False
        return any(_folder(folder, name).is_dir() for name in names)

    def where(self, unit: str, frame: int) -> str:
        """Returns the line of the annotation file."""
        return f'{self._folders[unit] / "groundtruth.txt"}:{frame + 1}'

    def watch(self, name: str) -> list[Path]:
        """Returns the annotation files, the folder of the images and the file of challenges."""
        folder = self._folders[name]
        return [*(folder / file for file in ('groundtruth.txt', *_FLAGS, 'img')),
                self.data_root / 'annos' / 'att' / f'{name}.txt']

    def read_unit(self, name: str) -> list[FrameSequence]:
        """Returns the one sequence of a folder."""
        truth, *flag_files, images, attribute_file = self.watch(name)
        self.require(truth, truth.parent)
        boxes = read_numbers(truth, columns=4)  # (T, 4) xywh
        flags = [read_series(file, like=truth, count=len(boxes)) for file in flag_files]  # 2 x (T,)
        frames = FrameFiles.numbered(images, first=1, digits=8, count=len(boxes))
        attributes = read_attributes(attribute_file, _ATTRIBUTES)
        return [FrameSequence(name, frames, boxes, ~np.any(flags, axis=0), attributes)]


def _class_of(name: str) -> str:
    return name.rpartition('-')[0]


def _folder(root: Path, name: str) -> Path:
    within_class = root / _class_of(name) / name
    return within_class if within_class.is_dir() else root / name
