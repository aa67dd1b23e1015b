"""What is wrong with one sequence is named before a tracker starts, and what was tracked is kept."""
import cv2
import numpy as np
import pytest
from mmengine.config import Config
from run_name import run_name

from ct_mm import cli
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


@pytest.mark.parametrize('kind', ['TestLoop', 'ct_mm.SequenceTestLoop'])
def test_either_test_loop_tracks_nothing_then(kind, folder, tmp_path, monkeypatch):
    folder(a='1,1,9,9', b='70,1,9,9', z='1,50,9,9')
    monkeypatch.setattr(BaseTracker, 'predict', lambda *_: pytest.fail('a sequence is tracked'))
    monkeypatch.setattr(BaseTracker, 'track_sequence', lambda *_: pytest.fail('a sequence is tracked'))
    runner = cli.build_runner(Config(dict(
        default_scope='ct_mm', work_dir=str(tmp_path / 'work'), experiment_name=run_name(tmp_path),
        test_cfg=dict(type=kind),
        model=dict(
            type='ct_mm.OSTrack',
            backbone=dict(type='ct_mm.OneStreamViT', embed_dim=16, depth=1, num_heads=2, template_size=32,
                          search_size=64),
            head=dict(type='ct_mm.CenterHead', in_channels=16, feat_size=4, channels=16)),
        test_evaluator=dict(type='ct_mm.SOTMetric'),
        test_dataloader=dict(
            batch_size=1, num_workers=0, sampler=dict(type='DefaultSampler', shuffle=False),
            dataset=dict(type='ct_mm.SequenceFolder', data_root=str(tmp_path / 'data'), index_dir=None)))))
    with pytest.raises(ValueError, match="(?s)no sequence is tracked, because 2 of 3 cannot be:.*'b'.*'z'"):
        runner.test()


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
