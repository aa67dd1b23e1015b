"""GOT-10k, a benchmark whose training and test classes do not overlap."""
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
    """GOT-10k (Huang et al., TPAMI 2021) as its authors distribute it: 9,335 + 180 + 180 sequences.

    In training, the target is visible where it is not absent, its cover is above 0 and its box has an area. Evaluation
    uses only the cover, as the toolkit does. Only the first box of a test sequence is public; the benchmark's server
    keeps the others.

    Args:
        data_root: The folder that holds ``train``, ``val`` and ``test``.
        split: ``'val'``, ``'test'`` or ``'train'``; ``'train_vot'`` and ``'val_vot'`` are the 7,086 and 1,249 sequences
            of ``train`` on which PyTracking and OSTrack train and validate. Defaults to ``'val'``.
        sequences: Names to use, in this order. Default: all of the split, in the order of ``list.txt``.
        index_dir: As in :class:`SequenceDataset`. Defaults to ``work_dirs/index``.
        **kwargs: See :class:`SequenceDataset`.

    Raises:
        FileNotFoundError: The folder, a sequence or a file of a sequence is missing.
        ValueError: An annotation is invalid; the message names file and line.
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
        """The label files that determine where the target is visible."""
        return ('cover.label', ) if self.test_mode else LABELS

    @property
    def folder(self) -> Path:
        """The folder of the split's sequences."""
        return self.data_root / ('train' if self.split.endswith('_vot') else self.split)

    def list_units(self) -> list[str]:
        """Returns the names in ``list.txt``, or those of PyTracking's official split."""
        self.require(self.folder / 'list.txt', self.data_root)
        if self.split == 'val_vot':
            return read_names('got10k_vot_val.txt')
        others = {*read_names('got10k_vot_val.txt'), *read_names('got10k_vot_left_out.txt')}
        return [name for name in super().list_units() if self.split != 'train_vot' or name not in others]

    def is_root(self, folder: Path) -> bool:
        """Returns whether a folder contains that of the split."""
        return (folder / self.folder.name / 'list.txt').is_file()

    def read_unit(self, name: str) -> list[FrameSequence]:
        """Returns the one sequence of a folder."""
        folder = self.folder / name
        if self.split == 'test':
            frames = FrameFiles.in_folder(folder)
            boxes = read_first_box(folder / 'groundtruth.txt', len(frames))
            return [FrameSequence(name, frames, boxes, first_box_only=True)]
        for label in LABELS:  # optional in SequenceFolder, but here the published results depend on them
            self.require(folder / label, folder)
        return super().read_unit(name)
