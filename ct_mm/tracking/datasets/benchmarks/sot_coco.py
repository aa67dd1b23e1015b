"""COCO as stills for training pairs."""
from __future__ import annotations

import json
import math
import os
from pathlib import Path

import numpy as np
from mmengine.logging import print_log

from ct_mm.registry import DATASETS
from ct_mm.tracking.datasets.benchmarks.sequence_dataset import SequenceDataset
from ct_mm.tracking.datasets.reading import FrameSequence
from ct_mm.tracking.datasets.reading.still_index import StillIndex


@DATASETS.register_module()
class SOTCocoDataset(SequenceDataset):
    """Each annotated object of COCO (Lin et al., ECCV 2014) as a still: a sequence of one frame for image pairs.

    Crowds (``iscrowd``) are skipped. Boxes are used unchanged. Each sequence is named after photograph and annotation,
    such as ``000000000009-1038967``. Only the boxes are kept, in one array that all processes share.

    Args:
        data_root: The folder that holds ``annotations`` and the photographs.
        split: Name of the part. Defaults to ``'train2017'``.
        min_side: Both sides of a box must be longer than this, in pixels. Defaults to 50. STARK and OSTrack flag such
            boxes as valid, but their sampler ignores the flag, so they effectively train with ``min_side=0`` (every box
            with an area).
        test_mode: Defaults to False, because this is not a tracking benchmark.
        **kwargs: See :class:`SequenceDataset`.

    Raises:
        FileNotFoundError: A folder, the annotation, or photographs that it names are missing.
        ValueError: The annotation is not in COCO's format; the message names the file and the entry.
    """

    METAINFO = dict(SequenceDataset.METAINFO, benchmark='coco')
    SPLITS = ('train2017', 'val2017', 'train2014', 'val2014')
    tree = """    {root}/
        annotations/
            instances_train2017.json    or of the split that was asked for
        train2017/                      or images/train2017/
            000000000009.jpg ..."""

    def __init__(self, data_root: str | os.PathLike, split: str = 'train2017', min_side: float = 50,
                 test_mode: bool = False, **kwargs) -> None:
        if min_side < 0:
            raise ValueError(f'SOTCocoDataset: min_side must not be negative, got {min_side}')
        self.min_side = min_side
        super().__init__(data_root, split=split, test_mode=test_mode, **kwargs)

    def list_units(self) -> list[str]:
        """Returns the name of the one annotation file."""
        name = f'instances_{self.split}.json'
        self.require(self.data_root / 'annotations' / name, self.data_root)
        folders = [self.data_root / self.split, self.data_root / 'images' / self.split]
        self._images = next((folder for folder in folders if folder.is_dir()), None)
        if self._images is None:
            raise FileNotFoundError(self.misplaced(f'the photographs of {self.split} are missing', self.data_root))
        return [name]

    def is_root(self, folder: Path) -> bool:
        """Returns whether a folder contains the annotation."""
        return (folder / 'annotations' / f'instances_{self.split}.json').is_file()

    def watch(self, name: str) -> list[Path]:
        """Returns the annotation file and the folder of the photographs."""
        return [self.data_root / 'annotations' / name, self._images]

    def read_unit(self, name: str) -> list[FrameSequence]:
        """Returns all stills; the dataset itself stores them as an array instead."""
        index = StillIndex(lambda: self._read_objects(name), [], self._images, self.min_side)
        return [index[number] for number in range(len(index))]

    def _make_index(self, units: list[str], folder: Path | None) -> StillIndex:
        name, = units
        return StillIndex(lambda: self._read_objects(name), self.watch(name), self._images, self.min_side, folder,
                          self._code(), self.title)

    def _read_objects(self, name: str) -> np.ndarray:
        """Returns the objects that are not crowds in the format of :class:`StillIndex`, (N,)."""
        path = self.data_root / 'annotations' / name
        print_log(f'{self.title}: reading {path} ({path.stat().st_size / 1e6:.0f} MB)', logger='current')
        try:
            with open(path, encoding='utf-8') as file:
                content = json.load(file, object_hook=_without_outlines)
        except (ValueError, RecursionError) as error:
            raise ValueError(f'{path} is not a complete JSON file ({error}); unpack it again') from error
        if not (isinstance(content, dict) and {'images', 'annotations'} <= set(content)):
            raise ValueError(f'{path} is not a COCO annotation: it must contain images and annotations')
        try:
            files = {image['id']: os.fsencode(image['file_name']) for image in content['images']}
        except (KeyError, TypeError) as error:
            raise ValueError(f'{path}: each entry of images needs id and file_name ({error!r})') from error
        rows = []
        for number, entry in enumerate(content['annotations']):
            try:
                if not entry['iscrowd']:
                    x, y, w, h = map(float, entry['bbox'])
                    if not math.isfinite(x + y + w + h):
                        raise ValueError('the box is not finite')
                    rows.append((files[entry['image_id']], int(entry['id']), (x, y, w, h)))
            except (KeyError, TypeError, ValueError) as error:
                raise ValueError(f'{path}: annotations[{number}] is not a COCO object ({error!r}): '
                                 f'{str(entry)[:200]}') from error
        longest = max(map(len, files.values()), default=1)
        objects = np.array(rows, dtype=[('file', f'S{longest}'), ('id', np.int64), ('box', np.float64, (4, ))])
        self._check_photographs(objects['file'])
        return objects

    def _check_photographs(self, files: np.ndarray) -> None:
        there = set(os.listdir(os.fsencode(self._images)))
        named = np.unique(files)
        missing = [file for file in named if file not in there]
        if missing:
            raise FileNotFoundError(self.misplaced(
                f'{self._images} lacks {len(missing)} of the {len(named)} photographs with objects, such as '
                f'{os.fsdecode(missing[0])}', self._images))


def _without_outlines(node: dict) -> dict:
    """Drops outlines, nine tenths of the file, while it is parsed, so that they are never all in memory at once."""
    node.pop('segmentation', None)
    return node
