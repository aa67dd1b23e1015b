"""GOT-10k, the benchmark whose training and test classes do not overlap."""
from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from ct_mm.registry import DATASETS
from ct_mm.tracking.datasets.benchmarks.sequence_folder import LABELS, SequenceFolder
from ct_mm.tracking.datasets.reading import FrameFiles, FrameSequence
from ct_mm.tracking.datasets.reading.annotation_io import read_first_box, read_names


@DATASETS.register_module()
class GOT10kDataset(SequenceFolder):
    """GOT-10k (Huang et al., TPAMI 2021) as its authors ship it: 9,335 + 180 + 180 sequences.

    The target is visible where it is not absent, its cover is above 0 and its box has an area; an evaluation asks the
    cover alone, as the toolkit does. Of a test sequence only the first box is known; the benchmark's server has the
    others.

    Args:
        data_root: The folder that holds ``train``, ``val`` and ``test``.
        split: ``'val'``, ``'test'`` or ``'train'``; ``'train_vot'`` and ``'val_vot'`` are the 7,086 and 1,249 sequences
            of ``train`` on which PyTracking and OSTrack train and validate. Defaults to ``'val'``.
        sequences: Names to take, in this order. Default: all of the split, in the order of ``list.txt``.
        index_dir: As in :class:`SequenceDataset`. Defaults to ``work_dirs/index``.
        **kwargs: See :class:`SequenceDataset`.

    Raises:
        FileNotFoundError: The folder, a sequence or a file of a sequence is missing.
        ValueError: An annotation is not as it must be; the message names file and line.
    """

    tree = """    {root}/
        train/, val/, test/              each with:
            list.txt                     names of the sequences, one per line
            GOT-10k_Val_000001/
                00000001.jpg ...
                groundtruth.txt          x,y,width,height, one line per frame; of a test sequence the first alone
                absence.label            1 where the target is absent; train and val
                cover.label              0 to 8, how much of the target is seen; train and val"""
    SPLITS = ('train', 'train_vot', 'val_vot', 'val', 'test')
    METAINFO = dict(task_name='sot', benchmark='got10k')

    def __init__(self, data_root: str | os.PathLike, split: str = 'val', sequences: Sequence[str] | None = None,
                 index_dir: str | os.PathLike | None = 'work_dirs/index', **kwargs) -> None:
        super().__init__(data_root, sequences=sequences, index_dir=index_dir, split=split, **kwargs)

    @property
    def labels(self) -> tuple[str, ...]:
        """The label files that say where the target is visible."""
        return ('cover.label', ) if self.test_mode else LABELS

    @property
    def folder(self) -> Path:
        """Where the folders of the split's sequences lie."""
        return self.data_root / ('train' if self.split.endswith('_vot') else self.split)

    def list_units(self) -> list[str]:
        """Names in ``list.txt``; of those, the official ones of PyTracking's splits."""
        if not (self.folder / 'list.txt').is_file():
            raise FileNotFoundError(self.misplaced(f'there is no {self.folder / "list.txt"}', self.data_root))
        if self.split == 'val_vot':
            return read_names('got10k_vot_val.txt')
        names = super().list_units()
        if self.split == 'train_vot':
            others = {*read_names('got10k_vot_val.txt'), *read_names('got10k_vot_left_out.txt')}
            return [name for name in names if name not in others]
        return names

    def is_root(self, folder: Path) -> bool:
        """Whether a folder holds the one of the split."""
        return (folder / self.folder.name / 'list.txt').is_file()

    def read_unit(self, name: str) -> list[FrameSequence]:
        """The one sequence of a folder."""
        folder = self.folder / name
        if self.split == 'test':
            frames = FrameFiles.in_folder(folder)
            boxes = read_first_box(folder / 'groundtruth.txt', len(frames))
            return [FrameSequence(name, frames, boxes, first_box_only=True)]
        for label in LABELS:  # of your own sequences optional, but here the published numbers depend on them
            if not (folder / label).is_file():
                raise FileNotFoundError(self.misplaced(f'{folder} has no {label}', folder))
        return super().read_unit(name)
