"""The base class of all readers of annotated sequences."""
from __future__ import annotations

import difflib
import hashlib
import logging
import os
import sys
from abc import ABCMeta, abstractmethod
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from mmengine.logging import print_log
from torch.utils.data import Dataset

from ct_mm.package_files import resolve_path
from ct_mm.tracking.datasets.reading import FrameSequence, annotation_io
from ct_mm.tracking.datasets.reading.folder_listing import folder_listing
from ct_mm.tracking.datasets.reading.frame_sequence import boxes_have_area
from ct_mm.tracking.datasets.reading.sequence_index import SequenceIndex
from ct_mm.tracking.runtime.geometry import check_target
from ct_mm.tracking.structures import TrackDataSample


class SequenceDataset(Dataset, metaclass=ABCMeta):
    """Annotated sequences: one item per sequence for testing, and the source of frames for training pairs.

    All annotations are read and checked in the constructor, so that an error in the last sequence does not surface
    hours into an evaluation. Frames are read on demand. The annotations are stored in ``index_dir`` (see
    :class:`SequenceIndex`).

    A subclass implements ``list_units``, ``read_unit`` and ``watch`` and sets ``tree``, ``SPLITS`` and the
    ``benchmark`` of ``METAINFO``. Override ``missing``, ``is_root`` and ``where`` for better error messages.

    In evaluation (``test_mode=True``), any problem with a sequence is an error. In training, an unreadable sequence is
    skipped with a warning, up to ``max_bad_sequences``. Whatever ``read_unit`` returns, the object is not visible where
    its box is not finite or has no area: some published annotations contain such boxes, even with negative sizes.

    Args:
        data_root: Folder of the dataset; a leading ``ct_mm::`` stands for the package's folder.
        split: Part of the dataset, one of ``SPLITS``, if it has parts.
        sequences: Names of the units to use, in this order. Default: all of the split.
        test_mode: Whether this is for evaluation. Defaults to True.
        index_dir: Folder of the indices of all datasets, or None to store no index. Defaults to ``work_dirs/index`` in
            the current folder.
        max_bad_sequences: Number of faulty sequences that training skips before it stops. Defaults to 10.
        metainfo: Added to the ``metainfo`` of the dataset. Default: None.

    Raises:
        FileNotFoundError: The dataset is not where it should be; the message shows the expected and the actual tree.
        ValueError: An argument or an annotation is invalid; the message names file and line or frame.
    """

    #: The expected folder tree, shown in errors; ``{root}`` stands for ``data_root``.
    tree = ''
    SPLITS: tuple[str, ...] = ()
    #: Whether evaluation uses the benchmark's visibility flags unchanged, even where a box has no area.
    scores_flags = False
    METAINFO: dict = dict(task_name='sot', benchmark='custom')

    def __init__(self, data_root: str | os.PathLike, split: str | None = None, sequences: Sequence[str] | None = None,
                 test_mode: bool = True, index_dir: str | os.PathLike | None = 'work_dirs/index',
                 max_bad_sequences: int = 10, metainfo: dict | None = None) -> None:
        self.data_root = Path(resolve_path(data_root))
        self.split, self.test_mode, self.max_bad_sequences = split, test_mode, max_bad_sequences
        self._metainfo = dict(self.METAINFO, dataset_type=type(self).__name__, **(dict(split=split) if split else {}))
        self._metainfo.update(metainfo or {})
        self.title = f'{type(self).__name__}{f" {split}" if split else ""}'
        if self.SPLITS and split not in self.SPLITS:
            raise ValueError(f'{type(self).__name__}: split={split!r} must be one of {", ".join(self.SPLITS)}')
        if not self.data_root.is_dir():
            raise FileNotFoundError(self.misplaced(f'{self.data_root} is not a folder', self.data_root.parent))
        self._bad: list[str] = []
        units = self._choose(self.list_units(), sequences)
        absent = self.missing(units)
        if absent:
            shown = ', '.join(absent[:5]) + (', ...' if len(absent) > 5 else '')
            others = '' if len(absent) == len(units) else '; set `sequences=[...]` to use only some of them'
            raise FileNotFoundError(self.misplaced(
                f'{len(absent)} of {len(units)} sequences are missing: {shown}{others}', self.folder))
        self._index = self._make_index(units, self._index_folder(index_dir))
        if not len(self._index):
            raise ValueError(self.misplaced(f'there is no sequence in {self.data_root}', self.data_root))

    @abstractmethod
    def list_units(self) -> list[str]:
        """Returns the names of all units of the split, in the benchmark's order; fast, reads no annotation.

        Raises:
            FileNotFoundError: The dataset is not as expected; create the message with ``misplaced``.
        """

    @abstractmethod
    def read_unit(self, name: str) -> Sequence[FrameSequence]:
        """Returns the sequences of one unit, in most datasets a single one.

        Raises:
            OSError: A file is missing or damaged.
            ValueError: An annotation is invalid; the message names file and line.
        """

    @abstractmethod
    def watch(self, name: str) -> Sequence[str | os.PathLike]:
        """Returns the files and folders that ``read_unit`` reads; if one of them changes, the unit is read again."""

    @property
    def folder(self) -> Path:
        """The folder of the units: ``data_root`` or a folder inside it."""
        return self.data_root

    def missing(self, units: list[str]) -> list[str]:
        """Returns the units that do not exist at all; fast. An incomplete copy is an error in training, too."""
        return []

    def is_root(self, folder: Path) -> bool:
        """Returns whether a folder looks like the ``data_root`` of this dataset, to suggest it in an error message."""
        return False

    def where(self, unit: str, frame: int) -> str:
        """Returns the place of a frame's annotation (0-based) for messages; a file and a line if possible."""
        return f'{unit}, frame {frame} (0-based)'

    @property
    def metainfo(self) -> dict:
        """A copy of the dataset's metainfo, as MMEngine's metrics and visualizers expect it."""
        return dict(self._metainfo)

    @property
    def lengths(self) -> np.ndarray:
        """Number of frames of each sequence, (S,)."""
        return self._index.lengths

    @property
    def names(self) -> list[str]:
        """Names of all sequences in order."""
        return self._index.names

    def __len__(self) -> int:
        return len(self._index)

    def get_sequence(self, index: int) -> FrameSequence:
        """Returns sequence ``index``; its frames have not been read yet."""
        return self._index[index]

    def check_start(self, index: int) -> None:
        """Checks that a tracker can start on sequence ``index``; reads its first frame.

        Raises:
            OSError: The frame cannot be read.
            ValueError: The first box lies outside of it; the message names sequence, file and line.
        """
        sequence = self.get_sequence(index)
        try:
            check_target(sequence.boxes[0], sequence.image_size[::-1])
        except (OSError, ValueError) as error:
            raise type(error)(f'sequence {sequence.name!r}, {self.where(sequence.name, 0)}: {error}') from error

    def check_starts(self, indices: Sequence[int] | None = None) -> None:
        """Checks that a tracker can start on several sequences, by default all, see :meth:`check_start`.

        Raises:
            ValueError: It cannot; the message names each sequence with file and line.
        """
        indices, faults = range(len(self)) if indices is None else indices, []
        for index in indices:
            try:
                self.check_start(index)
            except (OSError, ValueError) as error:
                faults.append(str(error))
        if faults:
            raise ValueError(f'{self.title}: no sequence is tracked, because {len(faults)} of {len(indices)} cannot be:'
                             '\n    ' + '\n    '.join(faults) + '\nCorrect their annotations, or leave them out with '
                             'test_dataloader.dataset.sequences')

    def __getitem__(self, index: int) -> dict:
        """Returns one sequence in the format that a tracker's ``predict`` takes.

        Args:
            index: Index of the sequence.

        Returns:
            ``{'inputs': {'video': FrameSequence}, 'data_samples': TrackDataSample}``; the sample's metainfo holds
            ``sequence_name``, ``image_size`` (w, h), ``gt_boxes`` (T, 4) xywh in pixels, ``visible`` (T,),
            ``attributes`` and ``first_box_only``.
        """
        self.check_start(index)
        sequence = self.get_sequence(index)
        sample = TrackDataSample(metainfo=dict(
            sequence_name=sequence.name, image_size=sequence.image_size, gt_boxes=sequence.boxes,
            visible=sequence.visible, attributes=sequence.attributes, first_box_only=sequence.first_box_only))
        return dict(inputs=dict(video=sequence), data_samples=sample)

    def require(self, path: Path, looked_in: Path, hint: str = '') -> None:
        """Raises a FileNotFoundError with the content of ``looked_in`` and a hint if a file or folder is missing."""
        if not path.exists():
            raise FileNotFoundError(self.misplaced(f'{path} is missing{hint}', looked_in))

    def misplaced(self, problem: str, looked_in: str | os.PathLike) -> str:
        """Returns an error message about missing files: the problem, the expected tree, and what was found instead.

        Args:
            problem: What is wrong, one clause.
            looked_in: The folder whose content the message shows.
        """
        message = (f'{self.title}: {problem}\nexpected:\n{self.tree.replace("{root}", str(self.data_root))}\n'
                   f'{folder_listing(looked_in)}')
        likely = self._likely_root()
        return message if likely is None else f'{message}\n{likely} looks right: set data_root to it'

    def _likely_root(self) -> Path | None:
        """Returns a folder that the user may have meant: above or below ``data_root``, or next to a missing one."""
        root = Path(os.path.abspath(self.data_root))
        if self.is_root(root):
            return None
        start = root if root.is_dir() else root.parent
        near = sorted(start.iterdir())[:100] if start.is_dir() else []
        return next((path for path in [root.parent, root.parent.parent, *near]
                     if path.is_dir() and self.is_root(path)), None)

    def _choose(self, units: list[str], sequences: Sequence[str] | None) -> list[str]:
        if sequences is None:
            return units
        if isinstance(sequences, str):
            raise ValueError(f'{self.title}: sequences must be a list of names, but is the string {sequences!r}')
        known = set(units)
        for name in sequences:
            if name not in known:
                near = ', '.join(difflib.get_close_matches(name, units) or units[:10]) or 'none'
                raise ValueError(f'{self.title}: sequences contains {name!r}, which is not in {self.data_root}; '
                                 f'available: {near}')
        if repeated := repeated_names(sequences):
            raise ValueError(f'{self.title}: sequences contains {repeated} more than once')
        return list(sequences)

    def _make_index(self, units: list[str], folder: Path | None) -> SequenceIndex:
        """Returns the sequences of all units; a subclass may return another class with the same methods."""
        return SequenceIndex(units, self.watch, self._read_checked, folder, self.title,
                             None if self.test_mode else self._leave_out, self._code())

    def _index_folder(self, index_dir: str | os.PathLike | None) -> Path | None:
        if index_dir is None:
            return None
        # A faulty sequence stops evaluation but not training, so each has its own index.
        key = f'{self.data_root.resolve()}|{self.split}|{self.test_mode}'
        return Path(index_dir) / f'{type(self).__name__}-{hashlib.sha256(key.encode()).hexdigest()[:12]}'

    def _code(self) -> str:
        """Returns a digest of the code that reads the annotations, so that changed code rebuilds the index."""
        modules = {cls.__module__ for cls in type(self).__mro__ if issubclass(cls, SequenceDataset)}
        files = [getattr(sys.modules[name], '__file__', None) for name in sorted(modules | {annotation_io.__name__})]
        return hashlib.sha256(b''.join(Path(file).read_bytes() for file in files if file)).hexdigest()[:16]

    def _read_checked(self, unit: str) -> list[FrameSequence]:
        sequences = list(self.read_unit(unit))
        for sequence in sequences:
            self._check(unit, sequence)
        return sequences

    def _check(self, unit: str, sequence: FrameSequence) -> None:
        if len(sequence) < 2 and not sequence.is_still:
            raise ValueError(f'{self.title}: sequence {sequence.name!r} ({sequence.frame_name(0)}) has a single frame: '
                             'there is nothing to track')
        boxes = sequence.boxes  # (T, 4)
        has_area = boxes_have_area(boxes)  # (T,)
        if has_area.any() and boxes[has_area].max() <= 1:
            raise ValueError(f'{self.where(unit, 0)}: all boxes of sequence {sequence.name!r} lie between 0 and 1, but '
                             f'they must be in pixels: multiply them by the width and height of the frames')
        if self.test_mode and not (has_area[0] and (boxes[0, 2:] >= 1).all()):
            raise ValueError(f'{self.where(unit, 0)}: the box of the first frame is {boxes[0].tolist()}, but a tracker '
                             'starts from it, so it must be finite and at least one pixel wide and high')
        if not (self.test_mode and self.scores_flags):
            sequence.visible &= has_area

    def _leave_out(self, unit: str, error: Exception) -> None:
        self._bad.append(unit)
        print_log(f'{self.title}: skipping {unit}: {error}', logger='current', level=logging.WARNING)
        if len(self._bad) > self.max_bad_sequences:
            raise ValueError(f'{self.title}: {len(self._bad)} sequences cannot be used ({", ".join(self._bad)}), more '
                             f'than max_bad_sequences={self.max_bad_sequences}') from error


def repeated_names(names: Sequence[str]) -> list[str]:
    """Returns the names that occur more than once, sorted."""
    return sorted(name for name, count in Counter(names).items() if count > 1)
