"""UAV123, tracking from low-flying drones."""
from __future__ import annotations

import functools
import re
from pathlib import Path

import numpy as np

from ct_mm.registry import DATASETS
from ct_mm.tracking.datasets.benchmarks.sequence_dataset import SequenceDataset
from ct_mm.tracking.datasets.reading import FrameFiles, FrameSequence
from ct_mm.tracking.datasets.reading.annotation_io import read_numbers, read_series, read_table

# In the order of the columns of anno/UAV123/att/*.txt.
_CHALLENGES = ('Scale Variation', 'Aspect Ratio Change', 'Low Resolution', 'Fast Motion', 'Full Occlusion',
               'Partial Occlusion', 'Out-of-View', 'Background Clutter', 'Illumination Variation', 'Viewpoint Change',
               'Camera Motion', 'Similar Object')


@functools.cache
def _parts() -> dict[str, tuple[int, int]]:
    return {name: (int(first), int(last)) for name, first, last in read_table('uav123.txt')}


@DATASETS.register_module()
class UAV123Dataset(SequenceDataset):
    """The 123 sequences of UAV123 (Mueller et al., "A Benchmark and Simulator for UAV Tracking", ECCV 2016).

    They are 112,578 frames of 91 videos: ``car1_2`` is frames 751 to 1627 of the video ``car1``, as the benchmark's
    ``configSeqs.m`` has it. The names are the benchmark's; PyTracking puts ``uav_`` in front of them. Rows of NaN tell
    that the target is absent. Boxes are taken as they are, as PyTracking takes them. Challenges are given where the
    folder ``att`` is.

    Args:
        data_root: The folder that holds ``data_seq`` and ``anno``, or the one above it, into which the archive was
            unpacked.
        **kwargs: See :class:`SequenceDataset`.

    Raises:
        FileNotFoundError: A folder or file is missing.
        ValueError: Frames and annotation do not fit together; the message names the file.
    """

    METAINFO = dict(SequenceDataset.METAINFO, benchmark='uav123')
    tree = """    {root}/                     or {root}/UAV123/
        data_seq/UAV123/
            bike1/000001.jpg ...
            ...                         91 folders
        anno/UAV123/
            bike1.txt                   x,y,width,height for each frame
            ...                         123 files
            att/bike1.txt               optional: 12 flags"""

    def list_units(self) -> list[str]:
        """Names of the 123 sequences."""
        bases = [base for base in (self.data_root, self.data_root / 'UAV123') if self.is_root(base)]
        if not bases:
            raise FileNotFoundError(self.misplaced(f'{self.data_root} does not hold data_seq/UAV123 and anno/UAV123',
                                                   self.data_root))
        self._base = bases[0]
        return list(_parts())

    def missing(self, units: list[str]) -> list[str]:
        """Sequences whose video or annotation is not there."""
        return [name for name in units if not all(path.exists() for path in self.watch(name)[:2])]

    def is_root(self, folder: Path) -> bool:
        """Whether a folder holds the two parts of the benchmark."""
        return (folder / 'data_seq/UAV123').is_dir() and (folder / 'anno/UAV123').is_dir()

    def where(self, unit: str, frame: int) -> str:
        """The line of the annotation file."""
        return f'{self.watch(unit)[1]}:{frame + 1}'

    def watch(self, name: str) -> list[Path]:
        """The folder of the video, the annotation and the challenges."""
        video, anno = re.sub(r'_\d+$', '', name), self._base / 'anno/UAV123'
        return [self._base / 'data_seq/UAV123' / video, anno / f'{name}.txt', anno / f'att/{name}.txt']

    def read_unit(self, name: str) -> list[FrameSequence]:
        """The one sequence of a name."""
        folder, truth, challenges = self.watch(name)
        first, last = _parts()[name]
        boxes = read_numbers(truth, columns=4)  # (T, 4) xywh
        if len(boxes) != last - first + 1:
            raise ValueError(f'{truth} has {len(boxes)} lines, but needs {last - first + 1}: {name} is frames {first} '
                             f'to {last} of {folder}')
        attributes = self._challenges(challenges) if challenges.is_file() else None
        return [FrameSequence(name, FrameFiles.numbered(folder, first, 6, len(boxes)), boxes, attributes=attributes)]

    @staticmethod
    def _challenges(path: Path) -> list[str]:
        flags = read_series(path)  # (12,)
        if len(flags) != len(_CHALLENGES) or not np.isin(flags, (0, 1)).all():
            raise ValueError(f'{path} must hold {len(_CHALLENGES)} flags, each 0 or 1, but holds {flags.tolist()}')
        return [challenge for challenge, flag in zip(_CHALLENGES, flags) if flag]
