"""A folder of annotated sequences in the layout of GOT-10k."""
from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ct_mm.registry import DATASETS
from ct_mm.tracking.datasets.benchmarks.sequence_dataset import SequenceDataset, repeated_names
from ct_mm.tracking.datasets.reading import FrameFiles, FrameSequence
from ct_mm.tracking.datasets.reading.annotation_io import read_lines, read_numbers, read_series

_VIDEOS = ('.mp4', '.avi', '.mov', '.mkv', '.webm', '.m4v', '.mpg', '.mpeg')
LABELS = ('absence.label', 'cover.label')


@DATASETS.register_module()
class SequenceFolder(SequenceDataset):
    """Your own sequences, each in its own folder with ``groundtruth.txt`` (xywh in pixels).

    The object is visible where its box is finite and larger than zero (the rule of GOT-10k and LaSOT). If the label
    files exist, it must also not be absent and its cover must be above 0. Box coordinates are used unchanged.

    Args:
        data_root: The folder with one subfolder per sequence. If it is not as expected, the error shows the tree.
        sequences: Names of the sequences to use, in this order. Default: those in ``list.txt`` if that file exists,
            otherwise all subfolders by name.
        index_dir: As in :class:`SequenceDataset`. Default: None, no index is stored.
        **kwargs: See :class:`SequenceDataset`.

    Raises:
        FileNotFoundError: The folder, a sequence, or a ``groundtruth.txt`` is missing.
        ValueError: A sequence or an annotation file is invalid; the message names the file and line.

    Examples:
        >>> dataset = SequenceFolder('ct_mm::demo/clips')
        >>> dataset.names, dataset.get_sequence(0).image_size
        (['bunny'], (640, 360))
    """

    tree = """    {root}/
        list.txt               optional: names of the sequences, one per line, in order
        NAME/
            00000001.jpg ...   or one video file, for example NAME.mp4
            groundtruth.txt    x,y,width,height in pixels, one line per frame
            absence.label      optional: 1 where the object is absent
            cover.label        optional: 0 where nothing of the object can be seen"""

    #: The label files that say where the object is visible.
    labels = LABELS

    def __init__(self, data_root: str | os.PathLike, sequences: Sequence[str] | None = None,
                 index_dir: str | os.PathLike | None = None, **kwargs) -> None:
        super().__init__(data_root, sequences=sequences, index_dir=index_dir, **kwargs)

    def list_units(self) -> list[str]:
        """Returns the names in ``list.txt``, or all folders if it does not exist."""
        list_file = self.folder / 'list.txt'
        if not list_file.is_file():
            return sorted(self._folders())
        names = [line for line in read_lines(list_file) if line]
        if repeated := repeated_names(names):
            raise ValueError(f'{list_file} contains {repeated} more than once')
        return names

    def missing(self, units: list[str]) -> list[str]:
        """Returns the units without a folder."""
        folders = self._folders()
        return [unit for unit in units if unit not in folders]

    def is_root(self, folder: Path) -> bool:
        """Returns whether a folder contains sequences."""
        return next(folder.glob('*/groundtruth.txt'), None) is not None

    def where(self, unit: str, frame: int) -> str:
        """Returns the line of the annotation file."""
        return f'{self.folder / unit / "groundtruth.txt"}:{frame + 1}'

    def watch(self, name: str) -> list[Path]:
        """Returns the folder and the annotation files."""
        folder = self.folder / name
        return [folder, *(folder / file for file in ('groundtruth.txt', *LABELS))]

    def read_unit(self, name: str) -> list[FrameSequence]:
        """Returns the one sequence of a folder."""
        folder = self.folder / name
        truth = folder / 'groundtruth.txt'
        self.require(truth, folder)
        boxes = read_numbers(truth, columns=4)  # (T, 4) xywh
        visible = np.ones(len(boxes), dtype=bool)
        for label in LABELS:
            if (folder / label).is_file():
                values = read_series(folder / label, like=truth, count=len(boxes))  # (T,)
                if label in self.labels:
                    visible &= values == 0 if label == 'absence.label' else values > 0
        frames = self._frames(folder)
        if isinstance(frames, FrameFiles) and len(frames) != len(boxes):
            raise ValueError(f'{truth} has {len(boxes)} lines, but {folder} has {len(frames)} frames; each frame needs '
                             'one line')
        sequence = FrameSequence(name, frames, boxes, visible)
        sequence.check_length()
        return [sequence]

    def _choose(self, units: list[str], sequences: Sequence[str] | None) -> list[str]:
        # `sequences` may contain names that are not in list.txt.
        return super()._choose(units if sequences is None else sorted(self._folders()), sequences)

    def _folders(self) -> set[str]:
        with os.scandir(self.folder) as entries:
            return {entry.name for entry in entries if entry.is_dir() and entry.name[0] != '.'}

    def _frames(self, folder: Path) -> FrameFiles | Path:
        """Returns the image files of a sequence in order, or its one video file."""
        images = FrameFiles.in_folder(folder)
        videos = [name for name in os.listdir(folder) if name.lower().endswith(_VIDEOS) and name[0] != '.']
        if len(videos) > 1 or bool(len(images)) == bool(videos):
            raise ValueError(self.misplaced(f'{folder} must hold either image files or one video file, but has '
                                            f'{len(images)} images and {len(videos)} videos', folder))
        return folder / videos[0] if videos else images
