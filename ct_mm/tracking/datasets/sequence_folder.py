"""A folder of annotated sequences in the layout of GOT-10k."""
from __future__ import annotations

import difflib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from torch.utils.data import Dataset

from ct_mm.paths import resolve_path
from ct_mm.registry import DATASETS
from ct_mm.tracking.datasets.annotation_io import read_lines, read_numbers
from ct_mm.tracking.structures import FrameSequence, TrackDataSample

_IMAGES = ('.jpg', '.jpeg', '.png', '.bmp', '.webp', '.tif', '.tiff')
_VIDEOS = ('.mp4', '.avi', '.mov', '.mkv', '.webm', '.m4v', '.mpg', '.mpeg')
_TREE = """expected:
    {root}/
        list.txt               optional: names of the sequences, one per line, in order
        NAME/
            00000001.jpg ...   or one video file, for example NAME.mp4
            groundtruth.txt    x,y,width,height in pixels, one line per frame
            absence.label      optional: 1 where the object is absent
            cover.label        optional: 0 where nothing of the object can be seen"""


@DATASETS.register_module()
class SequenceFolder(Dataset):
    """Sequences for testing, one item each, and the source of frames for training pairs.

    All annotations are read and checked at once, so that a fault in the last sequence does not surface hours into an
    evaluation; images and videos are read only when their frames are asked for.

    The object is visible where its box is finite and larger than zero (the rule of GOT-10k and LaSOT), and, if the
    label files exist, where it is not absent and its cover is above 0. Box coordinates are taken as they are.

    Args:
        data_root: The folder that holds one sub folder per sequence (the tree is shown in the error message if it is
            not as expected).
        sequences: Names of the sequences to use, in this order. Default: those of ``list.txt`` if that file exists,
            else all sub folders by name.
        metainfo: Added to the ``metainfo`` of the dataset. Default: None.

    Raises:
        FileNotFoundError: The folder, a sequence, or a ``groundtruth.txt`` is missing.
        ValueError: A sequence or an annotation file is not as it must be; the message names the file and line.
    """

    METAINFO: dict = dict(task_name='sot', dataset_type='SequenceFolder')

    def __init__(self,
                 data_root: str | Path,
                 sequences: Sequence[str] | None = None,
                 metainfo: dict | None = None) -> None:
        self.data_root = Path(resolve_path(data_root))
        self._metainfo = {**self.METAINFO, **(metainfo or {})}
        self._sequences = [self._load(name) for name in self._choose(sequences)]

    @property
    def metainfo(self) -> dict:
        """A copy of the facts about the dataset, as MMEngine's metrics and visualizers expect it."""
        return dict(self._metainfo)

    def __len__(self) -> int:
        return len(self._sequences)

    def get_sequence(self, index: int) -> FrameSequence:
        """Returns sequence ``index`` with its frames not yet read."""
        return self._sequences[index]

    def __getitem__(self, index: int) -> dict:
        """Returns one sequence as a tracker's ``predict`` takes it.

        Args:
            index: Number of the sequence.

        Returns:
            ``{'inputs': {'video': FrameSequence}, 'data_samples': TrackDataSample}``; the sample's metainfo holds
            ``sequence_name``, ``image_size`` (w, h), ``gt_boxes`` (T, 4) xywh in pixels and ``visible`` (T,).
        """
        sequence = self._sequences[index]
        sample = TrackDataSample(
            metainfo=dict(
                sequence_name=sequence.name,
                image_size=sequence.image_size,
                gt_boxes=sequence.boxes,
                visible=sequence.visible))
        return dict(inputs=dict(video=sequence), data_samples=sample)

    def _choose(self, sequences: Sequence[str] | None) -> list[str]:
        """Names of the sequences to load, each checked to be a folder."""
        if not self.data_root.is_dir():
            raise FileNotFoundError(f'SequenceFolder: data_root {self.data_root} is not a folder; '
                                    f'{_TREE.format(root=self.data_root)}')
        folders = sorted(path.name for path in self.data_root.iterdir()
                         if path.is_dir() and not path.name.startswith('.'))
        list_file = self.data_root / 'list.txt'
        if sequences is not None:
            if isinstance(sequences, str):
                raise ValueError(f'SequenceFolder: sequences must be a list of names, but is the string {sequences!r}')
            names, source = list(sequences), 'the argument sequences'
        elif list_file.is_file():
            names, source = [line for line in read_lines(list_file) if line], str(list_file)
        else:
            names, source = folders, str(self.data_root)
        if not names:
            present = ', '.join(sorted(path.name for path in self.data_root.iterdir())[:10]) or 'nothing'
            raise ValueError(f'SequenceFolder: no sequences in {source}; {_TREE.format(root=self.data_root)}\n'
                             f'found there: {present}')
        for name in names:
            if not (self.data_root / name).is_dir():
                near = ', '.join(difflib.get_close_matches(name, folders) or folders[:10]) or 'no folder at all'
                raise FileNotFoundError(f'SequenceFolder: {source} names {name!r}, but there is no folder '
                                        f'{self.data_root / name}; there is: {near}')
        repeated = sorted({name for name in names if names.count(name) > 1}) if len(set(names)) < len(names) else []
        if repeated:
            raise ValueError(f'SequenceFolder: {source} names {repeated} more than once')
        return names

    def _load(self, name: str) -> FrameSequence:
        folder = self.data_root / name
        truth = folder / 'groundtruth.txt'
        if not truth.is_file():
            raise FileNotFoundError(f'SequenceFolder: {folder} has no groundtruth.txt; '
                                    f'{_TREE.format(root=self.data_root)}')
        boxes = read_numbers(truth, columns=4)  # (T, 4) xywh
        if not np.isfinite(boxes[0]).all() or (boxes[0, 2:] <= 0).any():
            raise ValueError(f'{truth}:1: the box of the first frame is {boxes[0].tolist()}, but a tracker starts from '
                             'it, so it must be finite and larger than zero')
        visible = np.isfinite(boxes).all(axis=1) & (boxes[:, 2:] > 0).all(axis=1)  # (T,)
        for label in ('absence.label', 'cover.label'):
            path = folder / label
            if path.is_file():
                values = read_numbers(path, columns=1)[:, 0]  # (T,)
                if len(values) != len(boxes):
                    raise ValueError(f'{path} has {len(values)} lines, but {truth} has {len(boxes)}')
                visible &= values == 0 if label == 'absence.label' else values > 0
        frames = self._frames(folder)
        if isinstance(frames, list) and len(frames) != len(boxes):
            raise ValueError(f'{truth} has {len(boxes)} lines, but {folder} has {len(frames)} frames; it needs one '
                             'line per frame')
        sequence = FrameSequence(name, frames, boxes, visible)
        sequence.check_length()
        return sequence

    def _frames(self, folder: Path) -> list[Path] | Path:
        """The image files of a sequence in order, or its one video file."""
        files = [path for path in folder.iterdir() if not path.name.startswith('.')]
        images = [path for path in files if path.suffix.lower() in _IMAGES]
        videos = [path for path in files if path.suffix.lower() in _VIDEOS]
        if len(videos) > 1 or bool(images) == bool(videos):
            found = f'{len(images)} images and {len(videos)} videos'
            raise ValueError(f'SequenceFolder: {folder} must hold either image files or one video file, but has '
                             f'{found}; {_TREE.format(root=self.data_root)}')
        if videos:
            return videos[0]
        # Frame 10 comes after frame 9 even if the names have no leading zeros.
        numbered = all(path.stem.isdecimal() for path in images)
        return sorted(images, key=lambda path: int(path.stem) if numbered else path.name)
