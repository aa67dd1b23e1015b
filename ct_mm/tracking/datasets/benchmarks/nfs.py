"""NfS, Need for Speed: fast objects at 240 frames per second."""
from __future__ import annotations

import functools
import os
from pathlib import Path

import numpy as np

from ct_mm.registry import DATASETS
from ct_mm.tracking.datasets.benchmarks.sequence_dataset import SequenceDataset
from ct_mm.tracking.datasets.reading import FrameFiles, FrameSequence
from ct_mm.tracking.datasets.reading.annotation_io import read_lines, read_numbers, read_table
from ct_mm.tracking.datasets.reading.folder_listing import unpacked_too_deep


@functools.cache
def _lengths() -> dict[str, int]:
    return {name: int(length) for name, length in read_table('nfs.txt')}


@DATASETS.register_module()
class NfSDataset(SequenceDataset):
    """The 100 sequences of Need for Speed (Galoogahi et al., ICCV 2017), at 30 or 240 frames per second.

    Two layouts are supported:

    * The official archives store boxes as corners. Like the toolkits' evaluations, this reader ignores their flags for
      lost and occluded objects. Their 30 fps annotation repeats the 240 fps annotation, so only every eighth line is
      used. It may have one line more or less than there are frames; as in GOT-10k's toolkit, both are cut to the
      shorter length.
    * PyTracking's archive (30 fps, ``sequences`` and ``anno``) has its own annotations, made from the benchmark's
      result files. Its authors say that they are not everywhere in sync with the frames. The results of OSTrack and
      others published with PyTracking refer to this archive; they may differ slightly with the official one.

    Coordinates are used unchanged, without a shift by one pixel. (GOT-10k's toolkit mistakes the second corner for
    width and height.) The names are the benchmark's; PyTracking prefixes them with ``nfs_``.

    Args:
        data_root: The folder into which the archives of all sequences, or PyTracking's archive, were unpacked.
        fps: 30 or 240. Defaults to 30, the frame rate of most published results.
        **kwargs: See :class:`SequenceDataset`.

    Raises:
        FileNotFoundError: A folder or file is missing.
        ValueError: ``fps`` is neither 30 nor 240, or the annotation does not match the frames; the message names the
            file.
    """

    METAINFO = dict(SequenceDataset.METAINFO, benchmark='nfs')
    tree = """    {root}/                             the official archives
        Gymnastics/
            30/
                Gymnastics/00001.jpg ...
                Gymnastics.txt          0 x1 y1 x2 y2 frame lost occluded generated "label"
            240/
                Gymnastics/00001.jpg ...
                Gymnastics.txt
        ...                             100 folders
    or {root}/                          PyTracking's archive, 30 fps only
        sequences/Gymnastics/00001.jpg ...
        anno/nfs_Gymnastics.txt         x y width height"""

    def __init__(self, data_root: str | os.PathLike, fps: int = 30, **kwargs) -> None:
        if fps not in (30, 240):
            raise ValueError(f'NfSDataset: fps must be 30 or 240, got {fps!r}')
        self.fps = fps
        super().__init__(data_root, split=f'{fps}fps', **kwargs)

    def list_units(self) -> list[str]:
        """Returns the names of the 100 sequences."""
        self._is_pytracking = (self.data_root / 'sequences').is_dir() and (self.data_root / 'anno').is_dir()
        if self._is_pytracking and self.fps != 30:
            raise ValueError(f'NfSDataset: fps={self.fps}, but {self.data_root} has the layout of the archive of '
                             'PyTracking, which has 30 fps only; the official archives have both')
        return list(_lengths())

    def missing(self, units: list[str]) -> list[str]:
        """Returns the sequences without a folder."""
        folder = self.data_root / 'sequences' if self._is_pytracking else self.data_root
        return [name for name in units if not (folder / name).is_dir()]

    def is_root(self, folder: Path) -> bool:
        """Returns whether a folder contains NfS in one of its layouts."""
        return any(next(folder.glob(f'{pattern}.txt'), None) for pattern in ('*/30/*', '*/240/*', 'anno/nfs_*'))

    def where(self, unit: str, frame: int) -> str:
        """Returns the annotation file with the line or, where the line is not known, the frame."""
        truth = self.watch(unit)[1]
        return f'{truth}:1' if frame == 0 else f'{truth}, frame {frame} (0-based)'

    def watch(self, name: str) -> list[Path]:
        """Returns the folder of the frames and the annotation file."""
        if self._is_pytracking:
            return [self.data_root / 'sequences' / name, self.data_root / 'anno' / f'nfs_{name}.txt']
        folder = self.data_root / name / str(self.fps)
        return [folder / name, folder / f'{name}.txt']

    def read_unit(self, name: str) -> list[FrameSequence]:
        """Returns the one sequence of a name."""
        folder, truth = self.watch(name)
        for path in (folder, truth):
            self.require(path, truth.parents[1], unpacked_too_deep(self.data_root / name))
        if self._is_pytracking:
            frames = FrameFiles.numbered(folder, first=1, digits=5, count=_lengths()[name])
            boxes = read_numbers(truth, columns=4)  # (T, 4) xywh
            if len(boxes) != len(frames):
                raise ValueError(f'{truth} has {len(boxes)} lines, but the sequence has {len(frames)} frames')
        else:
            frames, boxes = self._match(FrameFiles.in_folder(folder), self._read_corners(truth), truth)
        return [FrameSequence(name, frames, boxes)]

    def _match(self, frames: FrameFiles, boxes: np.ndarray, truth: Path) -> tuple[FrameFiles, np.ndarray]:
        """Cuts frames and boxes (N, 4) to a common length, after taking every eighth box if needed."""
        lines = len(boxes)
        if self.fps == 30 and lines > len(frames) + 1:
            boxes = boxes[::8]
        if not len(frames) or abs(len(boxes) - len(frames)) > 1:
            rule = ' or per frame at 240 fps, which are eight times as many' if self.fps == 30 else ''
            raise ValueError(f'{truth} has {lines} lines, but there are {len(frames)} frames in {frames.folder}; it '
                             f'needs one line per frame{rule}')
        count = min(len(boxes), len(frames))
        return frames[:count], boxes[:count]

    @staticmethod
    def _read_corners(path: Path) -> np.ndarray:
        """Reads boxes (N, 4) xywh from lines ``track x1 y1 x2 y2 frame ...``, the text format of VATIC.

        Frame numbers start at 0 in some files and at 1 in others, so they are ignored in favour of the lines' order.
        """
        rows = []
        for number, line in enumerate(read_lines(path), start=1):
            try:
                left, top, right, bottom = map(float, line.split()[1:5])
            except ValueError as error:
                raise ValueError(f'{path}:{number}: {line!r} is not track x1 y1 x2 y2 ... ({error})') from error
            rows.append((left, top, right - left, bottom - top))
        return np.array(rows).reshape(-1, 4)
