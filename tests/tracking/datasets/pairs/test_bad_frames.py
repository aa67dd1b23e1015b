"""Bad frames are skipped, logged and counted over all workers, and are an error beyond the limit."""
import functools
import multiprocessing
import re

import cv2
import numpy as np
import pytest
import torch
from mmengine.dataset import pseudo_collate
from torch.utils.data import DataLoader

from ct_mm.registry import DATASETS
from ct_mm.tracking.datasets.pairs.bad_frames import BadFrames
from ct_mm.tracking.datasets.reading import FrameSequence

PIPELINE = [
    dict(type='ct_mm.PairFlip'), dict(type='ct_mm.CropPair', template_size=16, search_size=32),
    dict(type='ct_mm.PackTrackInputs')
]


class Walk:
    """A reader of one sequence that marks every frame as visible, regardless of its box."""

    def __init__(self, folder):
        self.folder = folder

    def __len__(self):
        return 1

    def get_sequence(self, index):
        boxes = [(20 + 5 * i, 30, 24, 18) for i in range(10)]
        boxes[8] = (60, 30, 0, 18)
        files = [f'{self.folder}/{i + 1:08d}.jpg' for i in range(10)]
        return FrameSequence('walk', files, boxes, np.ones(10, bool))


@pytest.fixture
def folder(tmp_path):
    """Ten JPEGs; 3 is missing, 5 truncated, 7 a web page, and the box of 9 has no area."""
    rng = np.random.default_rng(0)
    files = [tmp_path / f'{i + 1:08d}.jpg' for i in range(10)]
    for file in files:
        cv2.imwrite(str(file), rng.integers(0, 256, (90, 120, 3), dtype=np.uint8))
    files[2].unlink()
    files[4].write_bytes(files[4].read_bytes()[:-900])
    files[6].write_text('<html>404</html>')
    return tmp_path


def build(reader, partial=True, **kwargs):
    return DATASETS.build(
        dict(type='ct_mm.PairDataset', pipeline=PIPELINE,
             sources=[dict(type='ct_mm.SequencePairs', dataset=reader, partial=partial)], **kwargs))


@pytest.fixture
def make(folder, toy_source):
    """Builds the pairs of that folder."""
    reader = dict(toy_source(Walk), folder=str(folder))
    return lambda **kwargs: build(reader, **kwargs)


def assert_same(first, second):
    for side in ('template', 'search'):
        assert torch.equal(first['inputs'][side], second['inputs'][side])
    assert first['data_samples'].source == second['data_samples'].source


BAD = [r'\(xywh\) of .*00000009\.jpg has no area', r'00000003\.jpg does not exist', r'00000005\.jpg is truncated',
       r'00000007\.jpg \(\d+ bytes\) cannot be decoded']


def test_other_pairs_are_drawn_the_same_ones_each_time(make):
    dataset = make()
    pairs = [dataset[draw] for draw in range(60)]
    used = {name[-6:-4] for pair in pairs for name in pair['data_samples'].source}
    assert used == {'01', '02', '04', '06', '08', '10'}
    messages = dataset.bad_frames.messages()
    assert len(messages) == 4
    for pattern, message in zip(BAD, sorted(messages, key=lambda text: not text.startswith('the box'))):
        assert re.search(pattern, message)
    again, whole = make(), make(partial=False)
    for draw in (41, 7, *range(20)):
        assert_same(again[draw], pairs[draw])
        assert_same(whole[draw], pairs[draw])


def test_each_bad_frame_is_named_once_in_the_log(make, monkeypatch):
    lines = []
    monkeypatch.setattr('ct_mm.tracking.datasets.pairs.bad_frames.print_log', lambda text, **_: lines.append(text))
    dataset = make()
    for draw in range(60):
        dataset[draw]
    assert [line.split(' and ')[0] for line in lines] == [f'skipping bad frame {i} (at most 100)' for i in (1, 2, 3, 4)]
    for pattern in BAD:
        assert sum(re.search(pattern, line) is not None for line in lines) == 1


def test_a_frame_that_two_workers_note_at_once_takes_one_place():
    frames = BadFrames(2)
    frames.add(ValueError('a'))
    frames._texts[2] = 'a'  # the other worker, which has not seen it there yet
    frames.add(ValueError('b'))
    with pytest.raises(RuntimeError, match='3 bad frames, more than max_bad_frames=2:\n  a\n  b\n  c'):
        frames.add(ValueError('c'))


@pytest.mark.parametrize('workers', [0, 2])
def test_too_many_are_an_error_that_names_the_files_and_the_way_out(make, workers):
    dataset = make(max_bad_frames=3)
    loader = DataLoader(dataset, 4, sampler=range(60), num_workers=workers, collate_fn=pseudo_collate)
    with pytest.raises(RuntimeError, match='4 bad frames, more than max_bad_frames=3:') as error:
        list(loader)
    for pattern in BAD:
        assert re.search(pattern, str(error.value))
    assert 'raise train_dataloader.dataset.max_bad_frames' in str(error.value)


def test_none_may_be_allowed(make):
    dataset = make(max_bad_frames=0)
    with pytest.raises(RuntimeError, match='1 bad frames, more than max_bad_frames=0'):
        for draw in range(60):
            dataset[draw]
    with pytest.raises(ValueError, match='max_bad_frames must not be negative'):
        make(max_bad_frames=-1)


def test_workers_of_all_epochs_count_together_and_draw_the_same(make):
    dataset, alone = make(), make()
    for _ in range(2):  # new workers each time
        batches = list(DataLoader(dataset, 4, sampler=range(60), num_workers=3, collate_fn=pseudo_collate))
    assert len(dataset.bad_frames.messages()) == 4
    for draw in (0, 17, 59):
        batch, row = batches[draw // 4], draw % 4
        assert torch.equal(batch['inputs']['search'][row], alone[draw]['inputs']['search'])


def test_spawned_workers_count_too_and_leave_the_cores_to_each_other(tmp_path):
    (tmp_path / 'walk').mkdir()
    (tmp_path / 'walk' / 'groundtruth.txt').write_text('20,30,24,18\n' * 4)
    for i in range(4):
        cv2.imwrite(str(tmp_path / 'walk' / f'{i}.jpg'), np.zeros((90, 120, 3), np.uint8))
    dataset = build(dict(type='ct_mm.SequenceFolder', data_root=str(tmp_path), index_dir=None))
    (tmp_path / 'walk' / '3.jpg').unlink()
    # A worker sends the number of OpenCV's threads instead of the pair.
    threads = functools.partial(eval, "__import__('cv2').getNumThreads()")
    loader = DataLoader(dataset, None, sampler=range(20), num_workers=1, collate_fn=threads,
                        multiprocessing_context=multiprocessing.get_context('spawn'))
    assert list(loader) == [1] * 20
    assert len(dataset.bad_frames.messages()) == 1


def test_a_source_with_nothing_but_bad_frames_tells_the_last(make, folder):
    dataset = make(max_tries=5)
    for file in folder.glob('*.jpg'):
        file.unlink()
    with pytest.raises(RuntimeError, match=r'no usable pair in 5 tries .*the last one was bad: .*\.jpg does not exist'):
        dataset[0]


def test_errors_of_the_pipeline_do_not_count_as_bad_frames(make):
    dataset = make()
    dataset.pipeline.transforms = dataset.pipeline.transforms[2:]  # no crop
    with pytest.raises(ValueError, match='put ct_mm.CropPair before'):
        for draw in range(20):
            dataset[draw]


def test_long_messages_and_other_ranks(monkeypatch):
    levels = []
    monkeypatch.setattr(
        'ct_mm.tracking.datasets.pairs.bad_frames.print_log', lambda text, **kwargs: levels.append(kwargs))
    monkeypatch.setattr('ct_mm.tracking.datasets.pairs.bad_frames.get_rank', lambda: 1)
    frames = BadFrames(2)
    for _ in range(2):
        frames.add(OSError('ü' * 700))
    assert len(frames.messages()) == 1 and frames.messages()[0].startswith('ü' * 200)
    assert [level['level'] for level in levels] == [40]  # other ranks log only errors
