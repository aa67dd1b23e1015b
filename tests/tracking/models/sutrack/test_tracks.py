"""Whole tracks of the released tracker: boxes, scores, crops, masks and template updates."""
import numpy as np
import pytest
import torch

from ct_mm.tracking.runtime.memories import UpdatedTemplate

PIXELS = 1e-2
RUNS = pytest.mark.parametrize('run', ['update', 'threshold_run', 'one_template'])


def tracker_of(case, run, fold=True):
    data = case.data
    if run == 'one_template':
        return case.tracker(fold, num_templates=1)
    memory = dict(type='updated', interval=int(data['track/update_interval']),
                  threshold=float(data['track/threshold']) if run == 'threshold_run' else 0.0)
    return case.tracker(fold, memory=memory)


def start(case, tracker):
    images = case.data['track/images']
    loop = tracker.make_loop()
    return loop, loop.start(images[0], case.data['track/init_box_xywh'].astype(float)), images[1:]


@RUNS
@pytest.mark.parametrize('fold', [True, False], ids=['folded', 'six_channels'])
def test_the_track_and_its_updates(case, run, fold):
    loop, state, images = start(case, tracker_of(case, run, fold))
    boxes, responses, updated = [], [], []
    for image in images:
        before = loop._memory.templates(state.memory)
        result = loop.step(state, image)
        boxes.append(result.box)
        responses.append(result.response)
        updated.append(before[-1] is not loop._memory.templates(state.memory)[-1])
        assert loop._memory.templates(state.memory)[0] is before[0], 'the first template stays'
    np.testing.assert_allclose(boxes, case.data[f'track/{run}/boxes_xywh'], atol=PIXELS)
    np.testing.assert_allclose(responses, case.data[f'track/{run}/scores'], atol=1e-4 if fold else 1e-5)
    assert updated == case.data[f'track/{run}/updated'].tolist()


def test_crops_masks_maps_and_window(case):
    tracker = tracker_of(case, 'update', fold=False)
    loop, state, images = start(case, tracker)
    data, (first, *_) = case.data, loop._memory.templates(state.memory)
    np.testing.assert_array_equal(first.image, data['track/update/template_crop_0'])
    box = data['track/update/template_anno_init'][0]
    from ct_mm.tracking.runtime.template_mask import fraction_mask
    np.testing.assert_array_equal(first.mask, fraction_mask(box, case.sizes[0]))
    crop, placement = tracker.geometry.search(images[0], state.box, state.anchor)
    np.testing.assert_array_equal(crop, data['track/update/search_crop_1'])
    assert crop.shape[0] / placement.side == pytest.approx(float(data['track/update/resize_factor_search_1']))
    np.testing.assert_allclose(tracker.window, data['track/update/window'], atol=1e-6)
    for image, expected in zip(images, data['track/update/score_maps']):
        with torch.no_grad():
            inputs = {name: torch.from_numpy(value) for name, value in loop.inputs(
                state, tracker.geometry.search(image, state.box, state.anchor)[0]).items()}
            np.testing.assert_allclose(tracker.network(inputs)['score_map'][0], expected, atol=1e-4)
        loop.step(state, image)
    for template, anno in zip(loop._memory.templates(state.memory), data['track/update/template_anno_last']):
        np.testing.assert_array_equal(template.mask, fraction_mask(anno, case.sizes[0]))


def test_two_targets_at_once_are_two_runs_and_a_second_sequence_is_a_fresh_one(case):
    tracker = tracker_of(case, 'update')
    loop, state, images = start(case, tracker)
    other_box = case.data['track/init_box_xywh'].astype(float) + [9, -6, 4, 3]
    alone = [[loop.step(each, image) for image in images] for each in (
        state, loop.start(case.data['track/images'][0], other_box))]
    again = [loop.start(case.data['track/images'][0], box) for box in (
        case.data['track/init_box_xywh'].astype(float), other_box)]
    for number, image in enumerate(images):
        for result, expected in zip(loop.step_all(again, image), (alone[0][number], alone[1][number])):
            np.testing.assert_allclose(result.box, expected.box, atol=1e-3)
    tracker.init(case.data['track/images'][0], other_box)
    for image, expected in zip(images, alone[1]):
        assert np.array_equal(tracker.track(image)[0], expected.box)


def test_the_published_rule_is_the_default(case):
    assert case.tracker(num_templates=2).memory == UpdatedTemplate(2, 25, 0.7, 'response', 'last', True)
    assert case.tracker(num_templates=1).memory.to_data() == dict(type='fixed', slots=1)
