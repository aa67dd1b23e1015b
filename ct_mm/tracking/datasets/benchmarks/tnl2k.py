"""TNL2K, tracking by natural language, here tracked by its boxes."""
from __future__ import annotations

from pathlib import Path

from ct_mm.registry import DATASETS
from ct_mm.tracking.datasets.benchmarks.sequence_dataset import SequenceDataset
from ct_mm.tracking.datasets.reading import FrameFiles, FrameSequence
from ct_mm.tracking.datasets.reading.annotation_io import read_numbers, read_table
from ct_mm.tracking.datasets.reading.image_file import read_image

# Their annotations have one line too many at the end, as those of the training sequences they were made from.
_SURPLUS_LINE = ('advSamp_Baseball_game_002-Done', 'advSamp_monitor_bikeyellow')
# The one frame that is damaged in archives from before April 2022.
_DAMAGED = 'test_015_Sord_video_Q01_done', '00000492.png'


@DATASETS.register_module()
class TNL2KDataset(SequenceDataset):
    """The 700 test sequences of TNL2K (Wang et al., CVPR 2021).

    Names of frames differ from sequence to sequence (number of digits, first number, jpg or png), so the frames are
    those in the folder, in the order of their numbers. A box without area tells that the target is absent. Boxes are
    taken as they are. The sentences in ``language.txt`` are not used.

    Args:
        data_root: The folder that holds one folder per sequence.
        **kwargs: See :class:`SequenceDataset`.

    Raises:
        FileNotFoundError: A folder or file is missing.
        OSError: The frame that early archives have damaged is damaged.
        ValueError: Frames and annotation do not fit together; the message names the file.
    """

    METAINFO = dict(SequenceDataset.METAINFO, benchmark='tnl2k')
    tree = """    {root}/
        Assian_video_Z03_done/
            imgs/00000001.png ...       or .jpg, with any number of digits
            groundtruth.txt             x,y,width,height for each frame
        ...                             700 folders"""

    def list_units(self) -> list[str]:
        """Names of the 700 test sequences."""
        return [name for name, in read_table('tnl2k_test.txt')]

    def missing(self, units: list[str]) -> list[str]:
        """Sequences without a folder."""
        return [name for name in units if not (self.data_root / name).is_dir()]

    def is_root(self, folder: Path) -> bool:
        """Whether a folder holds sequences of TNL2K."""
        return any((path.parent / 'imgs').is_dir() for path in folder.glob('*/groundtruth.txt'))

    def where(self, unit: str, frame: int) -> str:
        """The line of the annotation file."""
        return f'{self.data_root / unit / "groundtruth.txt"}:{frame + 1}'

    def watch(self, name: str) -> list[Path]:
        """The folder of the frames and the annotation."""
        return [self.data_root / name / 'imgs', self.data_root / name / 'groundtruth.txt']

    def read_unit(self, name: str) -> list[FrameSequence]:
        """The one sequence of a folder."""
        folder, truth = self.watch(name)
        for path in (folder, truth):
            if not path.exists():
                raise FileNotFoundError(self.misplaced(f'{path} is missing', path.parent))
        frames, boxes = FrameFiles.in_folder(folder), read_numbers(truth, columns=4)  # (T, 4) xywh
        if name in _SURPLUS_LINE and len(boxes) == len(frames) + 1:
            boxes = boxes[:-1]
        if len(boxes) != len(frames):
            raise ValueError(f'{truth} has {len(boxes)} lines, but there are {len(frames)} frames in {folder}; it '
                             'needs one line per frame')
        if name == _DAMAGED[0]:
            self._check_damaged(folder / _DAMAGED[1])
        return [FrameSequence(name, frames, boxes)]

    @staticmethod
    def _check_damaged(path: Path) -> None:
        if path.is_file():
            try:
                read_image(path)
            except OSError as error:
                raise OSError(f'{error}. Early archives of TNL2K have this one frame damaged; its authors offer the '
                              'whole file beside their evaluation toolkit: put it there') from error
