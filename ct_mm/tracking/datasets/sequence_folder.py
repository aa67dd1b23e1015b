"""A folder of annotated sequences in the layout of GOT-10k."""
from __future__ import annotations

import difflib
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ct_mm.registry import DATASETS
from ct_mm.tracking.datasets.annotation_io import read_lines, read_numbers
from ct_mm.tracking.datasets.sequence_dataset import SequenceDataset
from ct_mm.tracking.structures import FrameFiles, FrameSequence

_VIDEOS = ('.mp4', '.avi', '.mov', '.mkv', '.webm', '.m4v', '.mpg', '.mpeg')
_LABELS = ('absence.label', 'cover.label')


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

    def __init__(self,
                 data_root: str | os.PathLike,
                 sequences: Sequence[str] | None = None,
                 index_dir: str | os.PathLike | None = None,
                 **kwargs) -> None:
        super().__init__(data_root, sequences=sequences, index_dir=index_dir, **kwargs)

    def list_units(self) -> list[str]:
        """Names in ``list.txt``, else all folders."""
        folders = sorted(path.name for path in self.data_root.iterdir()
                         if path.is_dir() and not path.name.startswith('.'))
        list_file = self.data_root / 'list.txt'
        if not list_file.is_file():
            return folders
        names = [line for line in read_lines(list_file) if line]
        for name in names:
            if not (self.data_root / name).is_dir():
                near = ', '.join(difflib.get_close_matches(name, folders) or folders[:10]) or 'no folder at all'
                raise FileNotFoundError(f'{list_file} names {name!r}, but there is no folder {self.data_root / name}; '
                                        f'there is: {near}')
        repeated = sorted(set(name for name in names if names.count(name) > 1)) if len(set(names)) < len(names) else []
        if repeated:
            raise ValueError(f'{list_file} names {repeated} more than once')
        return names

    def watch(self, name: str) -> list[Path]:
        """The folder and the annotation files."""
        folder = self.data_root / name
        return [folder, *(folder / file for file in ('groundtruth.txt', *_LABELS))]

    def read_unit(self, name: str) -> list[FrameSequence]:
        """The one sequence of a folder."""
        folder = self.data_root / name
        truth = folder / 'groundtruth.txt'
        if not truth.is_file():
            raise FileNotFoundError(self.misplaced(f'{folder} has no groundtruth.txt', folder))
        boxes = read_numbers(truth, columns=4)  # (T, 4) xywh
        visible = np.isfinite(boxes).all(axis=1) & (boxes[:, 2:] > 0).all(axis=1)  # (T,)
        for label in _LABELS:
            path = folder / label
            if path.is_file():
                values = read_numbers(path, columns=1)[:, 0]  # (T,)
                if len(values) != len(boxes):
                    raise ValueError(f'{path} has {len(values)} lines, but {truth} has {len(boxes)}')
                visible &= values == 0 if label == 'absence.label' else values > 0
        frames = self._frames(folder)
        if isinstance(frames, FrameFiles) and len(frames) != len(boxes):
            raise ValueError(f'{truth} has {len(boxes)} lines, but {folder} has {len(frames)} frames; it needs one '
                             'line per frame')
        sequence = FrameSequence(name, frames, boxes, visible)
        sequence.check_length()
        return [sequence]

    def _frames(self, folder: Path) -> FrameFiles | Path:
        """The image files of a sequence in order, or its one video file."""
        images = FrameFiles.in_folder(folder)
        videos = [path for path in folder.iterdir()
                  if path.suffix.lower() in _VIDEOS and not path.name.startswith('.')]
        if len(videos) > 1 or bool(len(images)) == bool(videos):
            found = f'{len(images)} images and {len(videos)} videos'
            raise ValueError(self.misplaced(f'{folder} must hold either image files or one video file, but has {found}',
                                            folder))
        return videos[0] if videos else images
