"""TNL2K, a benchmark of tracking by natural language, used here with its boxes."""
from __future__ import annotations

from pathlib import Path

from ct_mm.registry import DATASETS
from ct_mm.tracking.datasets.benchmarks.sequence_dataset import SequenceDataset
from ct_mm.tracking.datasets.reading import FrameFiles, FrameSequence
from ct_mm.tracking.datasets.reading.annotation_io import read_numbers, read_table
from ct_mm.tracking.datasets.reading.image_file import read_image

# Their annotations have one surplus line at the end, like those of the training sequences they were made from.
_SURPLUS_LINE = ('advSamp_Baseball_game_002-Done', 'advSamp_monitor_bikeyellow')
# The one frame that is damaged in archives from before April 2022.
_DAMAGED = 'test_015_Sord_video_Q01_done', '00000492.png'


@DATASETS.register_module()
class TNL2KDataset(SequenceDataset):
    """The 700 test sequences of TNL2K (Wang et al., CVPR 2021).

    Frame names differ between sequences (number of digits, first number, jpg or png), so all images in the folder are
    used, in the order of their numbers. A box without area marks the target as absent. Boxes are used unchanged. The
    sentences in ``language.txt`` are not used.

    Args:
        data_root: The folder that holds one folder per sequence.
        **kwargs: See :class:`SequenceDataset`.

    Raises:
        FileNotFoundError: A folder or file is missing.
        OSError: The frame that is damaged in early archives is damaged.
        ValueError: The annotation does not match the frames; the message names the file.
    """

    METAINFO = dict(SequenceDataset.METAINFO, benchmark='tnl2k')
    tree = """    {root}/
        Assian_video_Z03_done/
            imgs/00000001.png ...       or .jpg, with any number of digits
            groundtruth.txt             x,y,width,height for each frame
        ...                             700 folders"""

    def list_units(self) -> list[str]:
        """Returns the names of the 700 test sequences."""
        return [name for name, in read_table('tnl2k_test.txt')]

    def missing(self, units: list[str]) -> list[str]:
        """Returns the sequences without a folder."""
        return [name for name in units if not (self.data_root / name).is_dir()]

    def is_root(self, folder: Path) -> bool:
        """Returns whether a folder contains sequences of TNL2K."""
        return any((path.parent / 'imgs').is_dir() for path in folder.glob('*/groundtruth.txt'))

    def where(self, unit: str, frame: int) -> str:
        """Returns the line of the annotation file."""
        return f'{self.data_root / unit / "groundtruth.txt"}:{frame + 1}'

    def watch(self, name: str) -> list[Path]:
        """Returns the folder of the frames and the annotation file."""
        return [self.data_root / name / 'imgs', self.data_root / name / 'groundtruth.txt']

    def read_unit(self, name: str) -> list[FrameSequence]:
        """Returns the one sequence of a folder."""
        folder, truth = self.watch(name)
        for path in (folder, truth):
            self.require(path, path.parent)
        frames, boxes = FrameFiles.in_folder(folder), read_numbers(truth, columns=4)  # (T, 4) xywh
        if name in _SURPLUS_LINE and len(boxes) == len(frames) + 1:
            boxes = boxes[:-1]
        if len(boxes) != len(frames):
            raise ValueError(f'{truth} has {len(boxes)} lines, but there are {len(frames)} frames in {folder}; it '
                             'needs one line per frame')
        if name == _DAMAGED[0] and (folder / _DAMAGED[1]).is_file():
            try:
                read_image(folder / _DAMAGED[1])
            except OSError as error:
                raise OSError(f'{error}. This one frame is damaged in early archives of TNL2K; its authors offer the '
                              'intact file next to their evaluation toolkit: replace the frame with it') from error
        return [FrameSequence(name, frames, boxes)]
