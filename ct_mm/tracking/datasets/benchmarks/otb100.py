"""OTB100, the Object Tracking Benchmark."""
from __future__ import annotations

import functools
import os
from pathlib import Path

from ct_mm.registry import DATASETS
from ct_mm.tracking.datasets.benchmarks.sequence_dataset import SequenceDataset
from ct_mm.tracking.datasets.reading import FrameFiles, FrameSequence
from ct_mm.tracking.datasets.reading.annotation_io import read_numbers, read_table
from ct_mm.tracking.datasets.reading.folder_listing import unpacked_too_deep

_CHALLENGES = dict(
    IV='Illumination Variation', SV='Scale Variation', OCC='Occlusion', DEF='Deformation', MB='Motion Blur',
    FM='Fast Motion', IPR='In-Plane Rotation', OPR='Out-of-Plane Rotation', OV='Out-of-View', BC='Background Clutter',
    LR='Low Resolution')

# The benchmark's toolkit starts Tiger1 at frame 6 ("initOmit"), whereas its annotation starts at frame 1.
_UNUSED_LINES = dict(Tiger1=5)


@functools.cache
def _targets() -> dict[str, tuple[int, int, str]]:
    return {name: (int(first), int(last), challenges) for name, first, last, challenges in read_table('otb100.txt')}


@DATASETS.register_module()
class OTB100Dataset(SequenceDataset):
    """The 100 targets of OTB100 (Wu, Lim and Yang, "Object Tracking Benchmark", TPAMI 2015), 59,035 frames.

    The targets are stored in 98 folders. Names and frames follow PyTracking: ``Jogging_1`` and ``Jogging_2`` are the
    two targets of one video, only the second target of Human4 is used, David starts at frame 300, Tiger1 at frame 6,
    and so on.

    The benchmark counts pixels from 1, but PyTracking, and thus all results published with it, uses the boxes
    unchanged; this reader does the same.

    Args:
        data_root: The folder into which the archives of all sequences were unpacked.
        **kwargs: See :class:`SequenceDataset`.

    Raises:
        FileNotFoundError: A folder or file is missing.
        ValueError: The annotation does not match the frames; the message names the file.
    """

    METAINFO = dict(SequenceDataset.METAINFO, benchmark='otb100')
    tree = """    {root}/
        Basketball/
            img/0001.jpg ...
            groundtruth_rect.txt        x,y,width,height for each frame
        Jogging/                        two targets, as Skating2 and Human4
            img/0001.jpg ...
            groundtruth_rect.1.txt
            groundtruth_rect.2.txt
        ...                             98 folders in all"""

    def list_units(self) -> list[str]:
        """Returns the names of the 100 targets."""
        return list(_targets())

    def missing(self, units: list[str]) -> list[str]:
        """Returns the targets without a folder."""
        return [name for name in units if not self._folder(name).is_dir()]

    def is_root(self, folder: Path) -> bool:
        """Returns whether a folder contains OTB's sequences."""
        return next(folder.glob('*/groundtruth_rect*.txt'), None) is not None

    def where(self, unit: str, frame: int) -> str:
        """Returns the line of the annotation file."""
        return f'{self._truth(unit)}:{frame + 1 + _UNUSED_LINES.get(unit, 0)}'

    def watch(self, name: str) -> list[Path]:
        """Returns the folder of the images and the annotation file."""
        return [self._folder(name) / 'img', self._truth(name)]

    def read_unit(self, name: str) -> list[FrameSequence]:
        """Returns the one sequence of a target."""
        images, truth = self.watch(name)
        for path in (images, truth):
            self.require(path, truth.parent, unpacked_too_deep(truth.parent))
        first, last, challenges = _targets()[name]
        boxes = read_numbers(truth, columns=4)  # (T, 4) xywh
        unused = _UNUSED_LINES.get(name, 0)
        if len(boxes) != last - first + 1 + unused:
            raise ValueError(f'{truth} has {len(boxes)} lines, but needs {last - first + 1 + unused}: {name} is tested '
                             f'on frames {first} to {last}')
        attributes = [_CHALLENGES[challenge] for challenge in challenges.split(',')]
        return [FrameSequence(name, self._numbered(images, first, last), boxes[unused:], attributes=attributes)]

    def _folder(self, name: str) -> Path:
        return self.data_root / name.partition('_')[0]

    def _truth(self, name: str) -> Path:
        number = name.partition('_')[2]
        return self._folder(name) / f'groundtruth_rect{"." + number if number else ""}.txt'

    @staticmethod
    def _numbered(folder: Path, first: int, last: int) -> FrameFiles:
        """Returns the frames by the number in their name: Board's have five digits, and KiteSurf used to be in PNG."""
        images, names = FrameFiles.in_folder(folder), {}
        for name in map(images.name, range(len(images))):
            stem = os.path.splitext(name)[0]
            if stem.isdecimal() and first <= int(stem) <= last:
                if int(stem) in names:
                    raise ValueError(f'{folder} contains the same frame twice, as {names[int(stem)]} and as {name}')
                names[int(stem)] = name
        missing = [number for number in range(first, last + 1) if number not in names]
        if missing:
            raise ValueError(f'{folder} has no frame {missing[0]}; {len(missing)} of frames {first} to {last} are '
                             'missing. Unpack the archive again')
        return FrameFiles(folder, [names[number] for number in range(first, last + 1)])
