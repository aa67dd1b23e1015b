"""TrackingNet, with 30,132 sequences for training and 511 for testing."""
from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from ct_mm.registry import DATASETS
from ct_mm.tracking.datasets.benchmarks.sequence_dataset import SequenceDataset
from ct_mm.tracking.datasets.reading import FrameFiles, FrameSequence
from ct_mm.tracking.datasets.reading.annotation_io import read_first_box, read_numbers


@DATASETS.register_module()
class TrackingNetDataset(SequenceDataset):
    """TrackingNet (Müller et al., ECCV 2018) as its development kit unpacks it.

    The target is visible where its box has an area; nothing else is annotated. Only the first box of a test sequence is
    public; the benchmark's server keeps the others.

    Args:
        data_root: The folder that holds ``TRAIN_0`` to ``TRAIN_11`` and ``TEST``.
        split: ``'train'`` or ``'test'``. Defaults to ``'test'``.
        parts: Parts of the training set to use; most published trackers train on ``[0, 1, 2, 3]``. Default: all 12.
        sequences: Names to use, in this order. Default: all of the split, part by part, by name.
        **kwargs: See :class:`SequenceDataset`.

    Raises:
        FileNotFoundError: The folder, a part, or the frames of a sequence are missing.
        ValueError: An argument or an annotation is invalid; the message names file and line.
    """

    tree = """    {root}/
        TRAIN_0/ ... TRAIN_11/, TEST/    each with:
            anno/-0Xk_y1_0.txt           x,y,width,height, one line per frame; of a test sequence the first alone
            frames/-0Xk_y1_0/0.jpg ..."""
    SPLITS = ('train', 'test')
    METAINFO = dict(task_name='sot', benchmark='trackingnet')

    def __init__(self, data_root: str | os.PathLike, split: str = 'test', parts: Sequence[int] | None = None,
                 sequences: Sequence[str] | None = None, **kwargs) -> None:
        chosen = set(range(12) if parts is None else parts)
        if not chosen or not chosen <= set(range(12)):
            raise ValueError(f'TrackingNetDataset: parts={parts!r} must be some of the numbers 0 to 11')
        if parts is not None and split == 'test':
            raise ValueError(f'TrackingNetDataset: remove parts={parts!r}, because the test set has no parts')
        self.parts = ['TEST'] if split == 'test' else [f'TRAIN_{part}' for part in sorted(chosen)]
        self._part_of: dict[str, str] = {}
        super().__init__(data_root, split=split, sequences=sequences, **kwargs)

    def list_units(self) -> list[str]:
        """Returns the names of the annotation files, part by part."""
        for part in self.parts:
            anno = self.data_root / part / 'anno'
            self.require(anno, self.data_root, '; set `parts` to use other parts' if self.split == 'train' else '')
            names = sorted(file[:-4] for file in os.listdir(anno) if file.endswith('.txt') and file[0] != '.')
            for name in names:
                if self._part_of.setdefault(name, part) != part:
                    raise ValueError(f'{self.title}: both {self._part_of[name]} and {part} have a sequence {name!r}')
        return list(self._part_of)

    def missing(self, units: list[str]) -> list[str]:
        """Returns the units without a folder of frames.

        Raises:
            FileNotFoundError: Some units are still packed; the message says how to unpack them.
        """
        frames, zips = {}, {}
        for part in self.parts:
            for found, folder in ((frames, 'frames'), (zips, 'zips')):
                path = self.data_root / part / folder
                found[part] = set(os.listdir(path)) if path.is_dir() else set()
        absent = [unit for unit in units if unit not in frames[self._part_of[unit]]]
        packed = [unit for unit in absent if f'{unit}.zip' in zips[self._part_of[unit]]]
        if packed:
            part = self.data_root / self._part_of[packed[0]]
            raise FileNotFoundError(self.misplaced(
                f'{len(packed)} of {len(units)} sequences are not unpacked, such as {part / "zips" / packed[0]}.zip; '
                'unpack them with extract_frame.py of the development kit', part))
        return absent

    def is_root(self, folder: Path) -> bool:
        """Returns whether a folder contains the annotation of a requested part."""
        return any((folder / part / 'anno').is_dir() for part in self.parts)

    def where(self, unit: str, frame: int) -> str:
        """Returns the line of the annotation file."""
        return f'{self.watch(unit)[0]}:{frame + 1}'

    def watch(self, name: str) -> list[str]:
        """Returns the annotation file and the folder of the frames."""
        part = os.path.join(self.data_root, self._part_of[name])  # pathlib would take seconds for 30,000 sequences
        return [os.path.join(part, 'anno', f'{name}.txt'), os.path.join(part, 'frames', name)]

    def read_unit(self, name: str) -> list[FrameSequence]:
        """Returns the one sequence of an annotation file."""
        truth, folder = self.watch(name)
        if self.split == 'test':
            frames = FrameFiles.numbered(folder, first=0, digits=1)
            return [FrameSequence(name, frames, read_first_box(truth, len(frames)), first_box_only=True)]
        boxes = read_numbers(truth, columns=4)  # (T, 4) xywh
        return [FrameSequence(name, FrameFiles.numbered(folder, first=0, digits=1, count=len(boxes)), boxes)]
