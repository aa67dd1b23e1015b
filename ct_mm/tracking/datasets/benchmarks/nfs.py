"""NfS, Need for Speed: fast objects at 240 frames a second."""
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
    """The 100 sequences of Need for Speed (Galoogahi et al., ICCV 2017), at 30 or 240 frames a second.

    Two layouts are read. The official archives have boxes as corners, with flags for lost and occluded objects that the
    toolkits' evaluations do not look at, nor does this one. Their annotation of the 30 fps frames is that of the 240
    fps frames again, so every eighth line counts; and it may have one line more or less than there are frames, so both
    are cut to the shorter, as GOT-10k's toolkit does. PyTracking's archive (30 fps, ``sequences`` and ``anno``) has
    annotations of its own, made from the benchmark's result files, which its authors say are not in step everywhere.
    The numbers of OSTrack and others published with PyTracking are for that archive; with the official one they may
    differ a little.

    Coordinates are taken as they are, without a shift by a pixel. (GOT-10k's toolkit takes the second corner for width
    and height.) The names are the benchmark's; PyTracking puts ``nfs_`` in front of them.

    Args:
        data_root: The folder into which the archives of all sequences, or PyTracking's, were unpacked.
        fps: 30 or 240. Defaults to 30, at which most numbers are published.
        **kwargs: See :class:`SequenceDataset`.

    Raises:
        FileNotFoundError: A folder or file is missing.
        ValueError: ``fps`` is neither 30 nor 240, or frames and annotation do not fit together; the message names the
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
        """Names of the 100 sequences."""
        self._is_pytracking = (self.data_root / 'sequences').is_dir() and (self.data_root / 'anno').is_dir()
        if self._is_pytracking and self.fps != 30:
            raise ValueError(f'NfSDataset: fps={self.fps}, but {self.data_root} has the layout of the archive of '
                             'PyTracking, which is at 30 fps only; the official archives hold both')
        return list(_lengths())

    def missing(self, units: list[str]) -> list[str]:
        """Sequences without a folder."""
        folder = self.data_root / 'sequences' if self._is_pytracking else self.data_root
        return [name for name in units if not (folder / name).is_dir()]

    def is_root(self, folder: Path) -> bool:
        """Whether a folder holds NfS in one of its layouts."""
        return any(next(folder.glob(f'{pattern}.txt'), None) for pattern in ('*/30/*', '*/240/*', 'anno/nfs_*'))

    def where(self, unit: str, frame: int) -> str:
        """The line of the annotation file, as far as it can be told."""
        truth = self.watch(unit)[1]
        return f'{truth}:1' if frame == 0 else f'{truth}, frame {frame} (0-based)'

    def watch(self, name: str) -> list[Path]:
        """The folder of the frames and the annotation."""
        if self._is_pytracking:
            return [self.data_root / 'sequences' / name, self.data_root / 'anno' / f'nfs_{name}.txt']
        folder = self.data_root / name / str(self.fps)
        return [folder / name, folder / f'{name}.txt']

    def read_unit(self, name: str) -> list[FrameSequence]:
        """The one sequence of a name."""
        folder, truth = self.watch(name)
        for path in (folder, truth):
            if not path.exists():
                hint = unpacked_too_deep(self.data_root / name)
                raise FileNotFoundError(self.misplaced(f'{path} is missing{hint}', truth.parents[1]))
        if self._is_pytracking:
            frames = FrameFiles.numbered(folder, first=1, digits=5, count=_lengths()[name])
            boxes = read_numbers(truth, columns=4)  # (T, 4) xywh
            if len(boxes) != len(frames):
                raise ValueError(f'{truth} has {len(boxes)} lines, but the sequence has {len(frames)} frames')
        else:
            frames, boxes = self._match(FrameFiles.in_folder(folder), self._read_corners(truth), truth)
        return [FrameSequence(name, frames, boxes)]

    def _match(self, frames: FrameFiles, boxes: np.ndarray, truth: Path) -> tuple[FrameFiles, np.ndarray]:
        """Cuts frames and boxes (N, 4) to the pairs that belong together."""
        lines = len(boxes)
        if self.fps == 30 and lines > len(frames) + 1:
            boxes = boxes[::8]
        if not len(frames) or abs(len(boxes) - len(frames)) > 1:
            rule = ' or one for each of the eight times as many at 240 fps' if self.fps == 30 else ''
            raise ValueError(f'{truth} has {lines} lines, but there are {len(frames)} frames in {frames.folder}; it '
                             f'needs one line per frame{rule}')
        count = min(len(boxes), len(frames))
        return frames[:count], boxes[:count]

    @staticmethod
    def _read_corners(path: Path) -> np.ndarray:
        """Boxes (N, 4) xywh from lines ``track x1 y1 x2 y2 frame ...``, the text format of VATIC.

        The frame numbers count from 0 in some files and from 1 in others, so the order of the lines is what counts.
        """
        rows = []
        for number, line in enumerate(read_lines(path), start=1):
            try:
                left, top, right, bottom = map(float, line.split()[1:5])
            except ValueError as error:
                raise ValueError(f'{path}:{number}: {line!r} is not track x1 y1 x2 y2 ... ({error})') from error
            rows.append((left, top, right - left, bottom - top))
        return np.array(rows).reshape(-1, 4)
