"""The extension of LaSOT by classes that LaSOT does not have."""
from __future__ import annotations

import os
from collections.abc import Sequence

from ct_mm.registry import DATASETS
from ct_mm.tracking.datasets.benchmarks.lasot import LaSOTDataset


@DATASETS.register_module()
class LaSOTExtDataset(LaSOTDataset):
    """The 150 sequences that extend LaSOT (Fan et al., IJCV 2021), 10 of each of 15 classes; all are for testing.

    Files and rules are LaSOT's.

    Args:
        data_root: The folder with one folder per class, or directly with those of the sequences.
        sequences: Names to take, in this order. Default: all.
        **kwargs: See :class:`SequenceDataset`.

    Raises:
        FileNotFoundError: The folder, a sequence or a file of a sequence is missing.
        ValueError: An annotation is not as it must be; the message names file and line.
    """

    tree = LaSOTDataset.tree.replace('airplane', 'atv')
    SPLITS = ('test', )
    METAINFO = dict(task_name='sot', benchmark='lasot_ext')
    names_file = 'lasot_ext.txt'

    def __init__(self, data_root: str | os.PathLike, sequences: Sequence[str] | None = None, **kwargs) -> None:
        super().__init__(data_root, split='test', sequences=sequences, **kwargs)
