"""UAV123, tracking from low-flying drones."""
from __future__ import annotations

import functools
import re
from pathlib import Path

from ct_mm.registry import DATASETS
from ct_mm.tracking.datasets.benchmarks.sequence_dataset import SequenceDataset
from ct_mm.tracking.datasets.reading import FrameFiles, FrameSequence
from ct_mm.tracking.datasets.reading.annotation_io import read_attributes, read_numbers, read_table

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

    They comprise 112,578 frames of 91 videos. For example, ``car1_2`` is frames 751 to 1627 of the video ``car1``, as
    defined in the benchmark's ``configSeqs.m``. The names are the benchmark's; PyTracking prefixes them with ``uav_``.
    Rows of NaN mark the target as absent. Like in PyTracking, boxes are used unchanged. Sequences have ``attributes``
    if the folder ``att`` exists.

    Args:
        data_root: The folder that holds ``data_seq`` and ``anno``, or its parent, into which the archive was unpacked.
        **kwargs: See :class:`SequenceDataset`.

    Raises:
        FileNotFoundError: A folder or file is missing.
        ValueError: The annotation does not match the frames; the message names the file.
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
        """Returns the names of the 123 sequences."""
        bases = [base for base in (self.data_root, self.data_root / 'UAV123') if self.is_root(base)]
        if not bases:
            raise FileNotFoundError(self.misplaced('data_seq/UAV123 or anno/UAV123 is missing', self.data_root))
        self._base = bases[0]
        return list(_parts())

    def missing(self, units: list[str]) -> list[str]:
        """Returns the sequences whose video or annotation is missing."""
        return [name for name in units if not all(path.exists() for path in self.watch(name)[:2])]

    def is_root(self, folder: Path) -> bool:
        """Returns whether a folder contains both parts of the benchmark."""
        return (folder / 'data_seq/UAV123').is_dir() and (folder / 'anno/UAV123').is_dir()

    def where(self, unit: str, frame: int) -> str:
        """Returns the line of the annotation file."""
        return f'{self.watch(unit)[1]}:{frame + 1}'

    def watch(self, name: str) -> list[Path]:
        """Returns the folder of the video and the files of the annotation and of the challenges."""
        video, anno = re.sub(r'_\d+$', '', name), self._base / 'anno/UAV123'
        return [self._base / 'data_seq/UAV123' / video, anno / f'{name}.txt', anno / f'att/{name}.txt']

    def read_unit(self, name: str) -> list[FrameSequence]:
        """Returns the one sequence of a name."""
        folder, truth, challenges = self.watch(name)
        first, last = _parts()[name]
        boxes = read_numbers(truth, columns=4)  # (T, 4) xywh
        if len(boxes) != last - first + 1:
            raise ValueError(f'{truth} has {len(boxes)} lines, but needs {last - first + 1}: {name} is frames {first} '
                             f'to {last} of {folder}')
        frames = FrameFiles.numbered(folder, first, 6, len(boxes))
        return [FrameSequence(name, frames, boxes, attributes=read_attributes(challenges, _CHALLENGES))]
