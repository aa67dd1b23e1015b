"""Pairs from annotated sequences."""
import numpy as np
import pytest

from ct_mm.registry import DATASETS, TRANSFORMS
from ct_mm.tracking.structures.frame_sequence import FrameSequence


def sequence(visible):
    """A sequence of files that do not exist; sampling must not read them."""
    boxes = np.tile([1., 2., 3., 4.], (len(visible), 1))
    return FrameSequence('toy', [f'{i}.jpg' for i in range(len(visible))], boxes, np.array(visible, bool))


def sample(visible, max_gap, seed):
    transform = TRANSFORMS.build(dict(type='ct_mm.SamplePair', max_gap=max_gap))
    results = transform(dict(rng=np.random.default_rng(seed), sequence=sequence(visible)))
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
    ([1], (0, 0)),
    ([0], None),
])
def test_which_frames_are_possible(visible, expected):
    for seed in range(10):
        assert sample(visible, 3, seed) == expected


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
