"""ImageNet-VID as sequences for training pairs."""
from __future__ import annotations

import os
from pathlib import Path

import numpy as np

from ct_mm.registry import DATASETS
from ct_mm.tracking.datasets.benchmarks.sequence_dataset import SequenceDataset
from ct_mm.tracking.datasets.reading import FrameFiles, FrameSequence
from ct_mm.tracking.datasets.reading.voc_xml import read_objects


@DATASETS.register_module()
class SOTImageNetVIDDataset(SequenceDataset):
    """One sequence for each object of each video of ImageNet-VID (Russakovsky et al., IJCV 2015).

    A sequence, ``VIDEO-TRACK``, extends from the first to the last frame that contains the object; in between, the box
    is NaN where the object is absent. (PyTracking ends its sequence at the first such gap.) As in PyTracking, an
    occluded object is not visible, and a box is (xmin, ymin, xmax - xmin, ymax - ymin). Objects that appear in a single
    frame are skipped, because they yield no pair.

    The first use reads a million small files and logs the remaining time; later the index is used. The index notices
    added and removed files, but not a file that is overwritten in place.

    Args:
        data_root: The folder that holds ``Data`` and ``Annotations``; ``ILSVRC`` or ``ILSVRC2015`` in the archive.
        split: ``'train'`` or ``'val'``. Defaults to ``'train'``.
        test_mode: Defaults to False, because this is not a tracking benchmark.
        **kwargs: See :class:`SequenceDataset`.

    Raises:
        FileNotFoundError: A folder is missing.
        ValueError: An annotation is invalid; the message names the file.
    """

    METAINFO = dict(SequenceDataset.METAINFO, benchmark='imagenet_vid')
    SPLITS = ('train', 'val')
    tree = """    {root}/
        Annotations/VID/
            train/ILSVRC2015_VID_train_0000/ILSVRC2015_train_00000000/000000.xml ...
            val/ILSVRC2015_val_00000000/000000.xml ...
        Data/VID/
            train/ILSVRC2015_VID_train_0000/ILSVRC2015_train_00000000/000000.JPEG ...
            val/ILSVRC2015_val_00000000/000000.JPEG ..."""

    def __init__(self, data_root: str | os.PathLike, split: str = 'train', test_mode: bool = False, **kwargs) -> None:
        super().__init__(data_root, split=split, test_mode=test_mode, **kwargs)

    def list_units(self) -> list[str]:
        """Returns the videos of the split, as paths below ``train`` or ``val``."""
        root = self.data_root / 'Annotations/VID' / self.split
        self.require(root, self.data_root)
        # Training videos are divided among four folders, unlike validation videos.
        pattern = 'ILSVRC*_VID_train_*/*' if self.split == 'train' else '*'
        return sorted(folder.relative_to(root).as_posix() for folder in root.glob(pattern) if folder.is_dir())

    def missing(self, units: list[str]) -> list[str]:
        """Returns the videos without frames."""
        return [unit for unit in units if not self.watch(unit)[0].is_dir()]

    def is_root(self, folder: Path) -> bool:
        """Returns whether a folder contains both parts of the dataset."""
        return (folder / 'Annotations/VID').is_dir() and (folder / 'Data/VID').is_dir()

    def watch(self, name: str) -> list[Path]:
        """Returns the folders of the frames and of their annotations."""
        return [self.data_root / part / 'VID' / self.split / name for part in ('Data', 'Annotations')]

    def read_unit(self, name: str) -> list[FrameSequence]:
        """Returns the sequences of one video, one for each object."""
        frames, annotations = self.watch(name)
        images = FrameFiles.in_folder(frames)
        paths = sorted(annotations.glob('*.xml'))
        if [path.stem for path in paths] != [os.path.splitext(images.name(i))[0] for i in range(len(images))]:
            raise ValueError(f'{frames} has {len(images)} images and {annotations} has {len(paths)} annotations; each '
                             'image needs an annotation of the same name')
        boxes: dict[str, np.ndarray] = {}
        visible: dict[str, np.ndarray] = {}
        for number, path in enumerate(paths):
            for entry in read_objects(path):
                track, box, is_visible = self._parse(entry, path)
                if track not in boxes:
                    boxes[track], visible[track] = np.full((len(paths), 4), np.nan), np.zeros(len(paths), bool)
                if np.isnan(boxes[track][number, 0]):  # like PyTracking, use the first of two boxes
                    boxes[track][number], visible[track][number] = box, is_visible
        sequences = []
        for track in boxes:
            present = np.flatnonzero(np.isfinite(boxes[track][:, 0]))
            if len(present) > 1:
                span = slice(int(present[0]), int(present[-1]) + 1)
                sequences.append(FrameSequence(f'{Path(name).name}-{track}', images[span], boxes[track][span],
                                               visible[track][span]))
        return sequences

    @staticmethod
    def _parse(entry: dict[str, str], path: Path) -> tuple[str, list[float], bool]:
        try:
            left, top, right, bottom = (float(entry[side]) for side in ('xmin', 'ymin', 'xmax', 'ymax'))
            return entry['trackid'], [left, top, right - left, bottom - top], entry['occluded'] == '0'
        except (KeyError, ValueError) as error:
            raise ValueError(f'{path}: an object has no track, box or occlusion flag ({error!r}): {entry}') from error
