"""Pairs from annotated sequences."""
import cv2
import numpy as np
import pytest
import torch

from ct_mm.registry import DATASETS, TRANSFORMS
from ct_mm.tracking.datasets.reading import FrameSequence, jpeg


def sequence(visible, is_still=False):
    """A sequence of files that do not exist; sampling must not read them."""
    boxes = np.tile([1., 2., 3., 4.], (len(visible), 1))
    return FrameSequence('toy', [f'{i}.jpg' for i in range(len(visible))], boxes, np.array(visible, bool),
                         is_still=is_still)


def sample(visible, max_gap, seed, is_still=False, **kwargs):
    transform = TRANSFORMS.build(dict(type='ct_mm.SamplePair', max_gap=max_gap, **kwargs))
    results = transform(dict(rng=np.random.default_rng(seed), sequence=sequence(visible, is_still)))
    return None if results is None else results['frame_ids']


def test_the_search_frame_comes_later_within_the_gap_and_both_are_visible():
    visible = np.random.default_rng(0).random(60) < 0.6
    gaps = set()
    for seed in range(300):
        template, search = sample(visible, 7, seed)
        assert visible[template] and visible[search]
        gaps.add(search - template)
    assert gaps == set(range(1, 8))


@pytest.mark.parametrize('visible, expected', [
    ([0, 1, 0, 0, 1, 0, 0, 0, 0, 1], (1, 4)),  # frame 9 is too far from frame 4
    ([0, 1, 0, 0, 0, 0, 0, 1], None),
    ([0, 1, 0], None),
    ([0, 0, 0], None),
    ([1], None),
    ([0], None),
])
def test_which_frames_are_possible(visible, expected):
    for seed in range(10):
        assert sample(visible, 3, seed) == expected


def test_a_photograph_gives_its_frame_each_time():
    assert sample([1], 3, 0, is_still=True, min_frames=20) == (0, 0)
    assert sample([1], 3, 0, is_still=True, num_templates=3) == (0, 0, 0, 0)
    assert sample([0], 3, 0, is_still=True) is None


def test_further_templates_come_before_the_first_within_the_gap():
    visible = np.random.default_rng(0).random(40) < 0.6
    gaps = set()
    for seed in range(300):
        one, two, template, search = sample(visible, 5, seed, num_templates=3)
        assert one <= two < template < search <= template + 5 and one >= template - 5
        assert visible[[one, two, template, search]].all()
        gaps.add(template - one)
    assert gaps == set(range(1, 6))
    for seed in range(10):
        assert sample([1, 0, 1, 1, 0], 2, seed, num_templates=2) == (0, 2, 3)
    assert sample([1, 1], 2, 0, num_templates=2) is None
    assert sample([1, 0, 0, 1, 1], 2, 0, num_templates=2) is None


def test_frames_may_be_drawn_around_a_base_frame_and_run_backwards():
    visible = np.random.default_rng(0).random(60) < 0.6
    backwards, repeated, spans = 0, 0, set()
    for seed in range(300):
        frames = sample(visible, 5, seed, num_templates=2, causal=False)
        assert len(frames) == 3 and visible[list(frames)].all()
        assert list(frames) in (sorted(frames), sorted(frames, reverse=True))
        backwards += frames[0] > frames[-1]
        repeated += len(set(frames)) < 3
        spans.add(abs(frames[0] - frames[-1]))
    assert 100 < backwards < 200 and repeated > 20 and max(spans) == 10
    assert sample([0, 1, 0], 5, 0, causal=False, min_visible=1) == (1, 1)
    assert sample([0, 1, 0], 5, 0, causal=False) is None
    assert sample([1], 5, 0, is_still=True, num_templates=2, causal=False) == (0, 0, 0)


def test_short_videos_may_be_skipped():
    assert sample([1] * 19, 5, 0, min_frames=20) is None
    assert sample([1] * 20, 5, 0, min_frames=20) is not None
    assert sample([1] * 4 + [0] * 16, 5, 0, min_visible=5) is None
    assert sample([1] * 5 + [0] * 15, 5, 0, min_visible=5) is not None


def photographs(tmp_path):
    """A folder with two sequences of twelve JPEGs that are larger than a crop."""
    rng = np.random.default_rng(0)
    for name in ('one', 'two'):
        (tmp_path / name).mkdir()
        coarse = rng.integers(0, 256, (12, 20, 3), dtype=np.uint8)
        for i in range(12):
            image = np.roll(cv2.resize(coarse, (331, 203), interpolation=cv2.INTER_CUBIC), 9 * i, axis=1)
            cv2.imwrite(str(tmp_path / name / f'{i + 1:08d}.jpg'), image,
                        [cv2.IMWRITE_JPEG_PROGRESSIVE, int(i == 5), cv2.IMWRITE_JPEG_QUALITY, 80])
        boxes = [f'{20 + 20 * i},{10 + 12 * i},{20 + i},{36 - i}' for i in range(12)]
        (tmp_path / name / 'groundtruth.txt').write_text('\n'.join(boxes))
    return dict(type='ct_mm.SequenceFolder', data_root=str(tmp_path), index_dir=None)


@pytest.mark.parametrize('decoder', ['simplejpeg', 'opencv'])
def test_a_training_is_the_same_with_and_without_partial_decoding(tmp_path, decoder, monkeypatch):
    folder = photographs(tmp_path)
    pipeline = [
        dict(type='ct_mm.PairGrayscale', prob=0.2), dict(type='ct_mm.PairFlip', joint=False),
        dict(type='ct_mm.CropPair', template_size=48, search_size=96), dict(type='ct_mm.PairBrightness'),
        dict(type='ct_mm.PackTrackInputs')
    ]
    whole, part = (
        DATASETS.build(
            dict(type='ct_mm.PairDataset', pipeline=pipeline,
                 sources=[dict(type='ct_mm.SequencePairs', dataset=folder, num_templates=2, partial=partial)]))
        for partial in (False, True))
    expected = [whole[draw] for draw in range(60)]
    if decoder == 'opencv':
        monkeypatch.setattr(jpeg, 'simplejpeg', None)
    rows = []
    original = jpeg.decode
    monkeypatch.setattr(jpeg, 'decode', lambda *args: rows.append(args[2]) or original(*args))
    for one, two in zip(expected, [part[draw] for draw in range(60)]):
        for side in ('template', 'search'):
            assert torch.equal(one['inputs'][side], two['inputs'][side])
        assert torch.equal(one['data_samples'].gt_instances.bboxes, two['data_samples'].gt_instances.bboxes)
        assert one['data_samples'].source == two['data_samples'].source
    assert min(rows) < 60 and np.mean(rows) < 180  # of 203 rows


def test_pairs_of_real_sequences_show_their_annotation(shared):
    source = DATASETS.build(
        dict(
            type='ct_mm.SequencePairs',
            dataset=dict(type='ct_mm.SequenceFolder', data_root=str(shared / 'data' / 'sequences'))))
    pair, again = (source.draw_pair(np.random.default_rng(4)) for _ in range(2))
    for side in ('template', 'search'):
        height, width = pair[side]['img'].shape[:2]
        assert pair[side]['img'].dtype == np.uint8 and min(height, width) > 100
        assert (pair[side]['bbox'][2:] > 0).all()
        np.testing.assert_array_equal(pair[side]['img'], again[side]['img'])
    assert len(pair['source']) == 2 and all(name.endswith('.jpg') for name in pair['source'])
    assert pair['source'][0] < pair['source'][1]
