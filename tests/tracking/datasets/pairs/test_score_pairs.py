"""Pairs with and without the target."""
import cv2
import numpy as np
import pytest
import torch

from ct_mm.registry import DATASETS
from ct_mm.tracking.datasets.reading import FrameSequence


@DATASETS.register_module(force=True)
class ThreeSequences:
    """A video that loses its target in frames 20 to 29, one that never does, and a photograph; all of one colour."""

    def __init__(self, folder, lost=True, number=3):
        rng = range(40)
        boxes = np.tile([30., 40., 24., 20.], (40, 1))
        hidden = boxes.copy()
        hidden[20:30] = 0
        image = f'{folder}/{{}}.png'
        for colour in (0, 1, 2):
            cv2.imwrite(image.format(colour), np.full((96, 160, 3), 60 * colour + 10, np.uint8))
        self.sequences = [
            FrameSequence('lost', [image.format(0) for _ in rng], hidden if lost else boxes),
            FrameSequence('seen', [image.format(1) for _ in rng], boxes),
            FrameSequence('still', [image.format(2)], boxes[:1], is_still=True)][:number]

    def __len__(self):
        return len(self.sequences)

    def get_sequence(self, number):
        return self.sequences[number]


@pytest.fixture
def source(tmp_path):
    def make(lost=True, number=3, **settings):
        sequences = dict(type='ct_mm.ThreeSequences', folder=str(tmp_path), lost=lost, number=number)
        return DATASETS.build(dict(type='ct_mm.ScorePairs', dataset=sequences, **settings))

    return make


def draws(source, count=300):
    pairs = [source.draw_pair(np.random.default_rng(seed)) for seed in range(count)]
    return [pair for pair in pairs if pair is not None]


def test_half_of_the_pairs_lack_the_target(source):
    pairs = draws(source())
    assert 0.4 < np.mean([pair['score'] for pair in pairs]) < 0.6
    for pair in pairs:
        sequence, (template, _, search) = pair['sequence'], pair['frame_ids']
        assert sequence.visible[template]
        if pair['score'] == 1:
            assert sequence.visible[search]
            np.testing.assert_array_equal(pair['search']['bbox'], sequence.boxes[search])
        elif sequence.name == 'lost':
            assert 20 <= search < 30 and pair['search']['bbox'].tolist() == [70, 42, 20, 12], 'around the middle'
        else:  # of another video, around its own target
            assert pair['search']['source'] == pair['source'][-1] != pair['source'][0]
            assert pair['search']['bbox'].tolist() == [30, 40, 24, 20]


def test_the_online_template_lies_near_the_search_frame_on_the_side_of_the_template(source):
    absent = 0
    for pair in draws(source(max_gap=5)):
        template, online, search = pair['frame_ids']
        if pair['sequence'].is_still:
            assert (template, online, search) == (0, 0, 0)
        elif template < search:
            assert search - 5 <= online < search
        elif template > search:
            assert search < online <= search + 5
        absent += not pair['sequence'].visible[online]
        assert (pair['template'][1]['bbox'][2:] > 0).all()
    assert absent, 'the target may be absent'


def test_the_score_reaches_the_samples_and_is_a_function_of_seed_and_draw(source, tmp_path):
    dataset = dict(
        type='ct_mm.PairDataset',
        sources=[dict(type='ct_mm.ScorePairs', dataset=dict(type='ct_mm.ThreeSequences', folder=str(tmp_path)))],
        pipeline=[dict(type='ct_mm.CropPair', template_size=32, search_size=64, center_jitter=1.0),
                  dict(type='ct_mm.PackTrackInputs')])
    source()
    first, again = DATASETS.build(dataset), DATASETS.build(dataset)
    scores = []
    for draw in range(20):
        a, b = first[draw], again[draw]
        assert a['inputs']['template'].shape == (2, 3, 32, 32)
        assert torch.equal(a['inputs']['search'], b['inputs']['search'])
        scores.append(a['data_samples'].gt_instances.scores)
        assert torch.equal(scores[-1], b['data_samples'].gt_instances.scores) and scores[-1].dtype == torch.float32
    assert {float(score) for score in scores} == {0.0, 1.0}


def test_what_cannot_be_drawn_is_an_error(source):
    with pytest.raises(ValueError, match=r'negatives=2 in \[0, 1\]'):
        source(negatives=2)
    assert {pair['score'] for pair in draws(source(lost=False, number=1), 50)} == {1}
    assert all(pair['score'] == 1 for pair in draws(source(negatives=0), 50))
    assert {pair['sequence'].name for pair in draws(source(min_frames=50), 50)} == {'still'}
