"""A folder of annotated sequences in the layout of GOT-10k."""
from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ct_mm.registry import DATASETS
from ct_mm.tracking.datasets.benchmarks.sequence_dataset import SequenceDataset
from ct_mm.tracking.datasets.reading import FrameFiles, FrameSequence
from ct_mm.tracking.datasets.reading.annotation_io import read_lines, read_numbers, read_series

_VIDEOS = ('.mp4', '.avi', '.mov', '.mkv', '.webm', '.m4v', '.mpg', '.mpeg')
LABELS = ('absence.label', 'cover.label')


@DATASETS.register_module()
class SequenceFolder(SequenceDataset):
    """Sequences of your own, one folder each with ``groundtruth.txt`` (xywh in pixels).

    The object is visible where its box is finite and larger than zero (the rule of GOT-10k and LaSOT), and, if the
    label files exist, where it is not absent and its cover is above 0. Box coordinates are taken as they are.

    Args:
        data_root: The folder that holds one sub folder per sequence (the tree is shown in the error message if it is
            not as expected).
        sequences: Names of the sequences to use, in this order. Default: those of ``list.txt`` if that file exists,
            else all sub folders by name.
        index_dir: As in :class:`SequenceDataset`. Default: None, no index is kept.
        **kwargs: See :class:`SequenceDataset`.

    Raises:
        FileNotFoundError: The folder, a sequence, or a ``groundtruth.txt`` is missing.
        ValueError: A sequence or an annotation file is not as it must be; the message names the file and line.
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
        """Names in ``list.txt``, else all folders."""
        list_file = self.folder / 'list.txt'
        if not list_file.is_file():
            return sorted(self._folders())
        names = [line for line in read_lines(list_file) if line]
        repeated = sorted(name for name, count in Counter(names).items() if count > 1)
        if repeated:
            raise ValueError(f'{list_file} names {repeated} more than once')
        return names

    def missing(self, units: list[str]) -> list[str]:
        """Units without a folder."""
        folders = self._folders()
        return [unit for unit in units if unit not in folders]

    def is_root(self, folder: Path) -> bool:
        """Whether there are sequences in a folder."""
        return next(folder.glob('*/groundtruth.txt'), None) is not None

    def where(self, unit: str, frame: int) -> str:
        """The line of the annotation file."""
        return f'{self.folder / unit / "groundtruth.txt"}:{frame + 1}'

    def watch(self, name: str) -> list[Path]:
        """The folder and the annotation files."""
        folder = self.folder / name
        return [folder, *(folder / file for file in ('groundtruth.txt', *LABELS))]

    def read_unit(self, name: str) -> list[FrameSequence]:
        """The one sequence of a folder."""
        folder = self.folder / name
        truth = folder / 'groundtruth.txt'
        if not truth.is_file():
            raise FileNotFoundError(self.misplaced(f'{folder} has no groundtruth.txt', folder))
        boxes = read_numbers(truth, columns=4)  # (T, 4) xywh
        visible = np.ones(len(boxes), dtype=bool)
        for label in LABELS:
            path = folder / label
            if path.is_file():
                values = read_series(path)  # (T,)
                if len(values) != len(boxes):
                    raise ValueError(f'{path} has {len(values)} lines, but {truth} has {len(boxes)}')
                if label in self.labels:
                    visible &= values == 0 if label == 'absence.label' else values > 0
        frames = self._frames(folder)
        if isinstance(frames, FrameFiles) and len(frames) != len(boxes):
            raise ValueError(f'{truth} has {len(boxes)} lines, but {folder} has {len(frames)} frames; it needs one '
                             'line per frame')
        sequence = FrameSequence(name, frames, boxes, visible)
        sequence.check_length()
        return [sequence]

    def _choose(self, units: list[str], sequences: Sequence[str] | None) -> list[str]:
        # Whoever names sequences may name some that are not in list.txt.
        return super()._choose(units if sequences is None else sorted(self._folders()), sequences)

    def _folders(self) -> set[str]:
        with os.scandir(self.folder) as entries:
            return {entry.name for entry in entries if entry.is_dir() and entry.name[0] != '.'}

    def _frames(self, folder: Path) -> FrameFiles | Path:
        """The image files of a sequence in order, or its one video file."""
        images = FrameFiles.in_folder(folder)
        videos = [name for name in os.listdir(folder) if name.lower().endswith(_VIDEOS) and name[0] != '.']
        if len(videos) > 1 or bool(len(images)) == bool(videos):
            found = f'{len(images)} images and {len(videos)} videos'
            raise ValueError(self.misplaced(f'{folder} must hold either image files or one video file, but has {found}',
                                            folder))
        return folder / videos[0] if videos else images
