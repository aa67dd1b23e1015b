"""What all readers of annotated sequences share."""
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
from ct_mm.tracking.datasets.reading.sequence_index import SequenceIndex
from ct_mm.tracking.structures import TrackDataSample


class SequenceDataset(Dataset, metaclass=ABCMeta):
    """Annotated sequences: one item each for testing, and the source of frames for training pairs.

    All annotations are read and checked before the first item is given out, so that a fault in the last sequence does
    not surface hours into an evaluation; frames are read only when they are asked for. What was read is kept in
    ``index_dir`` (see :class:`SequenceIndex`).

    A subclass writes ``list_units``, ``read_unit`` and ``watch`` and sets ``tree``, ``SPLITS`` and the ``benchmark`` of
    ``METAINFO``; better messages come from ``missing``, ``is_root`` and ``where``.

    In an evaluation (``test_mode=True``) anything wrong with a sequence is an error. In training a sequence that cannot
    be read is left out with a warning, up to ``max_bad_sequences``. Whatever a reader says, the object is not visible
    where its box is not finite or has no area; some published annotations have such boxes, even of negative size.

    Args:
        data_root: Folder of the data set; ``ct_mm::`` in front means inside the package.
        split: Part of the data set, one of ``SPLITS``, if it has parts.
        sequences: Names of the units to take, in this order. Default: all of the split.
        test_mode: Whether this is for evaluation. Defaults to True.
        index_dir: Folder of the indices of all data sets. Default: ``work_dirs/index``, in the current folder; None
            keeps none.
        max_bad_sequences: How many faulty sequences a training leaves out before it gives up. Defaults to 10.
        metainfo: Added to the ``metainfo`` of the data set. Default: None.

    Raises:
        FileNotFoundError: The data set is not where it should be; the message shows the tree expected and found.
        ValueError: An argument or an annotation is not as it must be; the message names file and line or frame.
    """

    #: The expected folder tree, shown in errors; ``{root}`` stands for ``data_root``.
    tree = ''
    SPLITS: tuple[str, ...] = ()
    #: Whether an evaluation needs the benchmark's flags as they are, without what the boxes say.
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
            raise ValueError(f'{type(self).__name__}: split={split!r}, but there is: {", ".join(self.SPLITS)}')
        if not self.data_root.is_dir():
            raise FileNotFoundError(self.misplaced(f'{self.data_root} is not a folder', self.data_root.parent))
        self._bad: list[str] = []
        units = self._choose(self.list_units(), sequences)
        absent = self.missing(units)
        if absent:
            shown = ', '.join(absent[:5]) + (', ...' if len(absent) > 5 else '')
            others = '' if len(absent) == len(units) else '; `sequences=[...]` takes only those that it names'
            raise FileNotFoundError(self.misplaced(
                f'{len(absent)} of {len(units)} sequences are missing: {shown}{others}', self.folder))
        self._index = self._make_index(units, self._index_folder(index_dir))
        if not len(self._index):
            raise ValueError(self.misplaced(f'there is no sequence in {self.data_root}', self.data_root))

    @abstractmethod
    def list_units(self) -> list[str]:
        """Names of all units of the split, in the benchmark's order; cheap, reads no annotation.

        Raises:
            FileNotFoundError: The data set is not as expected; the message is made by ``misplaced``.
        """

    @abstractmethod
    def read_unit(self, name: str) -> Sequence[FrameSequence]:
        """The sequences of one unit, in most data sets one.

        Raises:
            OSError: A file is missing or damaged.
            ValueError: An annotation is not as it must be; the message names file and line.
        """

    @abstractmethod
    def watch(self, name: str) -> Sequence[str | os.PathLike]:
        """The files and folders that ``read_unit`` reads: if one of them changes, the unit is read again."""

    @property
    def folder(self) -> Path:
        """Where the units lie, ``data_root`` or a folder in it."""
        return self.data_root

    def missing(self, units: list[str]) -> list[str]:
        """Those of the units that are not there at all; cheap. An incomplete copy is an error in training, too."""
        return []

    def is_root(self, folder: Path) -> bool:
        """Whether a folder looks like the ``data_root`` of this data set, for a hint to a user who gave another one."""
        return False

    def where(self, unit: str, frame: int) -> str:
        """Where the annotation of a frame (0-based) is, for messages; a file and a line if there is one."""
        return f'{unit}, frame {frame} (0-based)'

    @property
    def metainfo(self) -> dict:
        """A copy of the facts about the data set, as MMEngine's metrics and visualizers expect it."""
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
        """Returns sequence ``index`` with its frames not yet read."""
        return self._index[index]

    def __getitem__(self, index: int) -> dict:
        """Returns one sequence as a tracker's ``predict`` takes it.

        Args:
            index: Number of the sequence.

        Returns:
            ``{'inputs': {'video': FrameSequence}, 'data_samples': TrackDataSample}``; the sample's metainfo holds
            ``sequence_name``, ``image_size`` (w, h), ``gt_boxes`` (T, 4) xywh in pixels, ``visible`` (T,),
            ``attributes`` and ``first_box_only``.
        """
        sequence = self.get_sequence(index)
        sample = TrackDataSample(
            metainfo=dict(
                sequence_name=sequence.name,
                image_size=sequence.image_size,
                gt_boxes=sequence.boxes,
                visible=sequence.visible,
                attributes=sequence.attributes,
                first_box_only=sequence.first_box_only))
        return dict(inputs=dict(video=sequence), data_samples=sample)

    def misplaced(self, problem: str, looked_in: str | os.PathLike) -> str:
        """The message of an error about missing files: the problem, the tree expected, and what is there instead.

        Args:
            problem: What is wrong, one clause.
            looked_in: The folder whose content tells the user most.
        """
        message = (f'{self.title}: {problem}\nexpected:\n{self.tree.replace("{root}", str(self.data_root))}\n'
                   f'{folder_listing(looked_in)}')
        likely = self._likely_root()
        return message if likely is None else f'{message}\n{likely} looks right: give it as data_root'

    def _likely_root(self) -> Path | None:
        """The folder that the user may have meant: above or below ``data_root``, or beside it if it does not exist."""
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
                near = ', '.join(difflib.get_close_matches(name, units) or units[:10]) or 'none at all'
                raise ValueError(f'{self.title}: sequences names {name!r}, which is not in {self.data_root}; there is: '
                                 f'{near}')
        repeated = sorted(name for name, count in Counter(sequences).items() if count > 1)
        if repeated:
            raise ValueError(f'{self.title}: sequences names {repeated} more than once')
        return list(sequences)

    def _make_index(self, units: list[str], folder: Path | None) -> SequenceIndex:
        """The sequences of all units; a data set may keep them in another way that has the same methods."""
        return SequenceIndex(units, self.watch, self._read_checked, folder, self.title,
                             None if self.test_mode else self._leave_out, self._code())

    def _index_folder(self, index_dir: str | os.PathLike | None) -> Path | None:
        if index_dir is None:
            return None
        # A faulty sequence stops an evaluation but not a training, so the two have indices of their own.
        key = f'{self.data_root.resolve()}|{self.split}|{self.test_mode}'
        return Path(index_dir) / f'{type(self).__name__}-{hashlib.sha256(key.encode()).hexdigest()[:12]}'

    def _code(self) -> str:
        """A digest of the code that reads the annotations, so that no index outlives a change of it."""
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
        has_area = np.isfinite(boxes).all(axis=1) & (boxes[:, 2:] > 0).all(axis=1)  # (T,)
        if self.test_mode and not has_area[0]:
            raise ValueError(f'{self.where(unit, 0)}: the box of the first frame is {boxes[0].tolist()}, but a tracker '
                             'starts from it, so it must be finite and larger than zero')
        if has_area.any() and boxes[has_area].max() <= 1:
            raise ValueError(f'{self.where(unit, 0)}: all boxes of sequence {sequence.name!r} lie between 0 and 1, but '
                             f'they must be in pixels: multiply them by the width and height of the frames')
        if not (self.test_mode and self.scores_flags):
            sequence.visible &= has_area

    def _leave_out(self, unit: str, error: Exception) -> None:
        self._bad.append(unit)
        print_log(f'{self.title}: {unit} is left out: {error}', logger='current', level=logging.WARNING)
        if len(self._bad) > self.max_bad_sequences:
            raise ValueError(f'{self.title}: {len(self._bad)} sequences cannot be used ({", ".join(self._bad)}), more '
                             f'than max_bad_sequences={self.max_bad_sequences}') from error
