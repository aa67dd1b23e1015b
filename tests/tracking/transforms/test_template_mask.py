"""Masks of the template's tokens, several templates and task numbers on their way to the tracker."""
import numpy as np
import pytest
import torch
from mmengine.dataset import Compose, pseudo_collate

from ct_mm.registry import DATASETS, TRANSFORMS
from ct_mm.tracking.models import TrackDataPreprocessor
from ct_mm.tracking.runtime.template_mask import fraction_mask, touched_mask


def by_pixel(box, side, cell):
    """The fraction mask, pixel by pixel."""
    x, y, w, h = (np.float32(value) * np.float32(side) for value in box)
    inside = np.array([[x <= column < x + w and y <= row < y + h for column in range(side)] for row in range(side)])
    grid = side // cell
    return np.array([[inside[i * cell:(i + 1) * cell, j * cell:(j + 1) * cell].mean() for j in range(grid)]
                     for i in range(grid)])


@pytest.mark.parametrize('box', [(0.25, 0.3, 0.4, 0.5), (-0.2, 0.1, 0.9, 2.0), (0.5, 0.5, 0.0, 0.3), (0, 0, 1, 1)])
def test_the_fraction_of_each_token_inside_the_box(box):
    np.testing.assert_allclose(fraction_mask(np.array(box), 64), by_pixel(box, 64, 16), atol=1e-7)


def test_the_tokens_that_a_box_touches():
    mask = touched_mask(np.array([14, 0, 28.0005, 14]), 56, 14)
    assert mask.tolist() == [[0, 1, 0, 0]] + [[0] * 4] * 3, 'less than 1e-4 of a token to the right does not count'
    assert touched_mask(np.array([-9, -9, 99, 99]), 56, 14).all()


@pytest.mark.parametrize('mask', [fraction_mask, touched_mask])
def test_a_template_that_tokens_do_not_divide_is_refused(mask):
    with pytest.raises(ValueError, match='template of 60 pixels cannot be cut into tokens of 16'):
        mask(np.array([0, 0, 1, 1]), 60, 16)


def side(box):
    return dict(img=np.random.default_rng(0).integers(0, 255, (90, 120, 3), np.uint8), bbox=np.array(box, np.float64))


PIPELINE = [
    dict(type='ct_mm.CropPair', template_size=64, search_size=128), dict(type='ct_mm.TemplateMask'),
    dict(type='ct_mm.PairBrightness'), dict(type='ct_mm.PackTrackInputs')
]


def packed(templates, **more):
    pair = dict(template=templates, search=side((50, 40, 20, 16)), source=['a'], rng=np.random.default_rng(0), **more)
    return Compose(PIPELINE)(pair)


def test_masks_are_packed_beside_their_templates_and_reach_the_tracker_unchanged():
    items = [packed([side((40, 30, 20, 20)), side((50, 30, 30, 10))]), packed([side((40, 30, 8, 30))] * 2)]
    mask = items[0]['inputs']['template_mask']
    assert mask.shape == (2, 4, 4) and mask.dtype == torch.float32 and items[0]['inputs']['template'].shape[0] == 2
    # A square target covers the middle half of its crop; centre and box are in units of the side minus one.
    np.testing.assert_allclose(mask[0], fraction_mask(np.array([15.5, 15.5, 32, 32]) / 63, 64))
    assert not torch.equal(mask[0], mask[1])
    batch = TrackDataPreprocessor()(pseudo_collate(items))['inputs']
    assert torch.equal(batch['template_mask'], torch.stack([item['inputs']['template_mask'] for item in items]))
    assert batch['template'].shape == (2, 2, 3, 64, 64) and batch['template'].min() < 0


def test_one_template_has_one_mask():
    inputs = packed(side((40, 30, 20, 20)))['inputs']
    assert inputs['template'].shape == (3, 64, 64) and inputs['template_mask'].shape == (1, 4, 4)
    assert 'template_mask' not in Compose([PIPELINE[0], PIPELINE[3]])(
        dict(template=side((40, 30, 20, 20)), search=side((50, 40, 20, 16)), source=['a'],
             rng=np.random.default_rng(0)))['inputs']


def test_the_number_of_the_task_arrives_as_a_label():
    assert packed(side((40, 30, 20, 20)), task=3)['data_samples'].gt_instances.labels.tolist() == [3]
    assert 'labels' not in packed(side((40, 30, 20, 20)))['data_samples'].gt_instances


def test_a_source_names_its_task(data_root):
    source = dict(type='ct_mm.SequencePairs', dataset=dict(type='ct_mm.SequenceFolder', data_root=str(data_root)))
    rng = np.random.default_rng(0)
    assert DATASETS.build(dict(source, task=2)).draw_pair(rng)['task'] == 2
    assert 'task' not in DATASETS.build(source).draw_pair(rng)


@pytest.mark.parametrize('arguments, words', [(dict(rule='soft'), "rule must be 'fraction' or 'touched', got 'soft'"),
                                              (dict(cell=0), 'cell must be at least 1')])
def test_wrong_arguments_are_named(arguments, words):
    with pytest.raises(ValueError, match=words):
        TRANSFORMS.build(dict(type='ct_mm.TemplateMask', **arguments))
