"""What is wrong with one sequence is named before a tracker starts, and what was tracked is kept."""
import cv2
import numpy as np
import pytest

from ct_mm.tracking.datasets.benchmarks import SequenceFolder
from ct_mm.tracking.evaluation import ResultFolder
from ct_mm.tracking.evaluation.results.tracked_sequences import TrackedSequences
from ct_mm.tracking.models import BaseTracker
from ct_mm.tracking.runtime.geometry import check_frame


class Still(BaseTracker):
    """Stays where it was started."""

    def init(self, image, box):
        self.box, self.size = box, image.shape[:2]

    def track(self, image):
        check_frame(image, self.size)
        return self.box, 1.0

    def loss(self, inputs, data_samples):
        raise NotImplementedError

    _forward = loss


@pytest.fixture
def folder(tmp_path):
    """Sequences of three frames, 60x40, by name and first box; ``odd`` is the index of a frame of another size."""

    def make(odd=None, **boxes):
        for name, box in boxes.items():
            sequence = tmp_path / 'data' / name
            sequence.mkdir(parents=True)
            for index in range(3):
                size = (30, 30, 3) if name == 'z' and index == odd else (40, 60, 3)
                cv2.imwrite(str(sequence / f'{index + 1:08d}.png'), np.zeros(size, np.uint8))
            (sequence / 'groundtruth.txt').write_text(f'{box}\n' + '1,1,9,9\n' * 2)
        return SequenceFolder(data_root=tmp_path / 'data', index_dir=None)

    return make


def test_a_first_box_outside_of_its_frame_is_named_before_any_sequence_is_tracked(folder, tmp_path):
    dataset = folder(a='1,1,9,9', b='70,1,9,9', z='1,50,9,9')
    tracked = TrackedSequences(Still(), dataset, ResultFolder(tmp_path / 'results'))
    with pytest.raises(ValueError, match=r"(?s)2 of 3 cannot be:.*sequence 'b', .*b/groundtruth.txt:1: the first box "
                                         r".*outside of the 60x40 frame.*sequence 'z', .*z/groundtruth.txt:1") as error:
        tracked.missing()
    assert "'a'" not in str(error.value) and 'test_dataloader.dataset.sequences' in str(error.value)
    with pytest.raises(ValueError, match="sequence 'b', .*b/groundtruth.txt:1: the first box .* outside"):
        dataset[1]  # as the plain test loop asks for it


def test_a_first_box_below_a_pixel_is_named_when_the_annotation_is_read(folder):
    with pytest.raises(ValueError, match=r'b/groundtruth.txt:1: the box of the first frame is .*at least one pixel'):
        folder(a='1,1,9,9', b='10,10,0.5,9')


def test_a_frame_of_another_size_is_named_and_the_tracks_before_it_are_kept(folder, tmp_path):
    dataset, results = folder(odd=2, a='1,1,9,9', z='1,1,9,9'), ResultFolder(tmp_path / 'results')
    tracked = TrackedSequences(Still(), dataset, results)
    assert tracked.missing() == [0, 1]
    tracked[0]
    with pytest.raises(ValueError, match=r"sequence 'z', frame 2 \(0-based, .*z/00000003.png\): this frame is 30x30"):
        tracked[1]
    assert results.names() == ['a'] and tracked.missing() == [1]
