"""The extension of LaSOT by new classes."""
from __future__ import annotations

import os
from collections.abc import Sequence

from ct_mm.registry import DATASETS
from ct_mm.tracking.datasets.benchmarks.lasot import LaSOTDataset


@DATASETS.register_module()
class LaSOTExtDataset(LaSOTDataset):
    """The 150 sequences that extend LaSOT (Fan et al., IJCV 2021), 10 for each of 15 classes; all are for testing.

    Files and rules are those of LaSOT.

    Args:
        data_root: The folder with one subfolder per class, or per sequence.
        sequences: Names to use, in this order. Default: all.
        **kwargs: See :class:`SequenceDataset`.

    Raises:
        FileNotFoundError: The folder, a sequence or a file of a sequence is missing.
        ValueError: An annotation is invalid; the message names file and line.
    """

    tree = LaSOTDataset.tree.replace('airplane', 'atv')
    SPLITS = ('test', )
    METAINFO = dict(task_name='sot', benchmark='lasot_ext')
    names_file = 'lasot_ext.txt'

    def __init__(self, data_root: str | os.PathLike, sequences: Sequence[str] | None = None, **kwargs) -> None:
        super().__init__(data_root, split='test', sequences=sequences, **kwargs)
