"""One loop for every network: state belongs to targets alone, and the network sees what its card says."""
import numpy as np
import pytest

from ct_mm.tracking.runtime import PortableTracker
from ct_mm.tracking.runtime.geometries import SquareCrops
from ct_mm.tracking.runtime.memories import FixedTemplate, SampledMemory, UpdatedTemplate
from ct_mm.tracking.runtime.model_card import ModelCard, NetworkInput
from ct_mm.tracking.runtime.tracking_loop import TrackingLoop

TOKEN = NetworkInput('token', 'carried', (2, ))
KEYS = NetworkInput('keys', 'prepared', (None, 3))
BOXES = np.array([[40., 30, 20, 24], [90, 60, 30, 16], [10, 70, 24, 24]])


class Network:
    """A network in numpy: everything that it takes has an effect on what it returns."""

    precision = 'fp32'

    def __init__(self, memory, mask_cell=None, more=(), batched=True):
        geometry = SquareCrops(8, 16, mask_cell=mask_cell)
        outputs = ('box', 'score', 'response', *(each.name for each in more))
        self.card, self.batched = ModelCard.of('Numpy', geometry, memory, outputs, tuple(more)), batched
        self.calls, self.prepared = [], 0

    def __call__(self, inputs, outputs):
        self.calls.append({name: value.copy() for name, value in inputs.items()})
        for each in self.card.inputs:
            shown = each.role in ('template', 'templates', 'template_mask')
            assert (each.name in inputs) == (not (shown and self._prepares))
            if each.name in inputs:
                value = inputs[each.name]
                assert value.dtype == each.dtype and len(value) == len(inputs['search'])
                assert all(side in (None, found) for side, found in zip(each.shape, value.shape[1:], strict=True))
        look = sum(value.reshape(len(value), -1).mean(1) * weight for (name, value), weight in zip(
            sorted(inputs.items()), (1e-3, 2e-3, 3e-3, 5e-3)))  # (B,)
        centre = 0.5 + 0.2 * np.sin(np.stack([50 * look, 80 * look], 1))
        results = dict(box=np.concatenate([centre, np.full_like(centre, 0.25)], 1).astype(np.float32),
                       score=0.5 + 0.5 * np.sin(90 * look)[:, None], response=0.5 + 0.5 * np.sin(91 * look)[:, None])
        if 'token' in inputs:
            results['token'] = (inputs['token'] / 2 + look[:, None]).astype(np.float32)
        return {name: results[name] for name in outputs}

    @property
    def _prepares(self):
        return any(each.role == 'prepared' for each in self.card.inputs)

    def prepare(self, inputs):
        self.prepared += 1
        return dict(keys=inputs['template'].mean((2, 3)).astype(np.float32))


@pytest.fixture
def images():
    return np.random.default_rng(0).integers(0, 255, (12, 121, 161, 3), np.uint8)


SETTINGS = {
    'one template': dict(memory=FixedTemplate()),
    'several': dict(memory=FixedTemplate(3), mask_cell=4),
    'updated': dict(memory=UpdatedTemplate(2, interval=2, threshold=0.4), mask_cell=4),
    'best': dict(memory=UpdatedTemplate(2, 3, 0.4, 'score', 'best'), more=[NetworkInput('keys', 'prepared', (2, 3))]),
    'sampled': dict(memory=SampledMemory(2, limit=4), more=[TOKEN]),
    'all': dict(memory=SampledMemory(3, limit=None), mask_cell=2, more=[TOKEN, KEYS])}


def tracks(loop, images, starts):
    """Tracks targets, each from its own frame on, all in one call of ``step_all`` per frame."""
    states, found = {}, {index: [] for index in range(len(starts))}
    for frame, image in enumerate(images):
        for index, result in zip(states, loop.step_all(list(states.values()), image)):
            found[index].append([*result.box, result.score, result.response])
        states.update({index: loop.start(image, BOXES[index]) for index, start in enumerate(starts) if start == frame})
    return [np.array(each) for each in found.values()]


@pytest.mark.parametrize('batched', [True, False])
@pytest.mark.parametrize('starts', [(0, 0, 0), (0, 3, 4)])
@pytest.mark.parametrize('setting', SETTINGS)
def test_targets_tracked_together_are_tracked_as_if_alone(images, setting, starts, batched):
    together = tracks(TrackingLoop(Network(**SETTINGS[setting], batched=batched)), images, starts)
    for index, start in enumerate(starts):
        loop = TrackingLoop(Network(**SETTINGS[setting]))
        state, alone = loop.start(images[start], BOXES[index]), []
        for image in images[start + 1:]:
            result = loop.step(state, image)
            alone.append([*result.box, result.score, result.response])
        np.testing.assert_allclose(together[index], alone, rtol=0, atol=1e-4)
        assert len({tuple(row) for row in alone}) == len(alone), 'the target moves'


@pytest.mark.parametrize('setting', SETTINGS)
def test_a_second_sequence_on_one_object_equals_a_fresh_one(images, setting):
    def follow(tracker, box):
        tracker.init(images[0], box)
        return [(*box, score) for box, score in map(tracker.track, images[1:])]

    used = PortableTracker(Network(**SETTINGS[setting]))
    follow(used, BOXES[0])
    assert follow(used, BOXES[1]) == follow(PortableTracker(Network(**SETTINGS[setting])), BOXES[1])


def test_in_pytorch_too_a_second_sequence_equals_a_fresh_one(make_tracker, sequences):
    used = make_tracker()
    used.track_sequence(sequences[0])
    for again, fresh in zip(used.track_sequence(sequences[1]), make_tracker().track_sequence(sequences[1])):
        np.testing.assert_array_equal(again, fresh)


def test_one_call_serves_all_targets_that_fit_together(images):
    network = Network(**SETTINGS['updated'])
    tracks(TrackingLoop(network), images, (0, 0, 0))
    assert [len(call['search']) for call in network.calls] == [3] * 11
    network = Network(**SETTINGS['updated'], batched=False)
    tracks(TrackingLoop(network), images, (0, 0, 0))
    assert [len(call['search']) for call in network.calls] == [1] * 33


def test_what_is_carried_starts_as_zeros_and_is_what_came_out_before(images):
    network = Network(**SETTINGS['sampled'])
    loop = TrackingLoop(network)
    for _ in range(2):  # the second target of the same loop inherits nothing
        network.calls.clear()
        state = loop.start(images[0], BOXES[0])
        for image in images[1:4]:
            loop.step(state, image)
            assert np.any(state.carried['token'])
        assert not network.calls[0]['token'].any() and network.calls[1]['token'].any()


def test_templates_are_prepared_at_the_start_and_when_they_change(images):
    network = Network(**SETTINGS['best'])
    loop = TrackingLoop(network)
    state, changes = loop.start(images[0], BOXES[0]), 0
    assert network.prepared == 1 and not network.calls
    before = state.memory.shown
    for image in images[1:]:
        loop.step(state, image)
        assert network.prepared == 1 + changes, 'not before the templates are needed'
        changes += any(a is not b for a, b in zip(before, state.memory.shown))
        before = state.memory.shown
    assert 0 < changes < 11


def test_a_new_template_shows_the_box_just_found(images):
    network = Network(UpdatedTemplate(2, interval=1, threshold=-1.0))
    loop = TrackingLoop(network)
    state = loop.start(images[0], BOXES[0])
    result = loop.step(state, images[1])
    loop.step(state, images[2])
    geometry = network.card.geometry
    expected = [geometry.template(images[0], BOXES[0]).image, geometry.template(images[1], result.box).image]
    np.testing.assert_array_equal(network.calls[1]['template'][0], expected)


@pytest.mark.parametrize('name', ['box', 'score', 'response', 'token'])
@pytest.mark.parametrize('value', [np.nan, np.inf])
def test_what_is_not_a_number_is_refused_and_changes_nothing(images, name, value):
    class Broken(Network):
        broken = False

        def __call__(self, inputs, outputs):
            results = super().__call__(inputs, outputs)
            if self.broken:
                results[name] = np.full_like(results[name], value)
            return results

    network = Broken(**SETTINGS['sampled'])
    loop = TrackingLoop(network)
    state = loop.start(images[0], BOXES[0])
    loop.step(state, images[1])
    box, frame, memory, token = state.box.copy(), state.frame, state.memory, state.carried['token'].copy()
    network.broken = True
    with pytest.raises(ValueError, match=f'the network puts out NaN or infinity .{name} '):
        loop.step(state, images[2])
    assert state.box.tolist() == box.tolist() and state.frame == frame and state.memory is memory
    np.testing.assert_array_equal(state.carried['token'], token)


def test_no_target_is_no_call(images):
    network = Network(**SETTINGS['one template'])
    assert TrackingLoop(network).step_all([], images[0]) == [] and not network.calls


def test_frames_of_another_size_are_refused(images):
    loop = TrackingLoop(Network(**SETTINGS['one template']))
    states = [loop.start(images[0], BOXES[0]), loop.start(images[0][:100, :150], BOXES[0])]
    with pytest.raises(ValueError, match='161x121 pixels, but the tracker was started on 150x100'):
        loop.step_all(states, images[1])
    assert [state.frame for state in states] == [0, 0]


class Recorded:
    """Returns what a released network returned, call by call, and keeps the templates that it was shown."""

    precision, batched = 'fp32', False

    def __init__(self, card, boxes, scores):
        self.card, self.answers, self.shown = card, iter(zip(boxes, scores)), []

    def __call__(self, inputs, outputs):
        box, score = next(self.answers)
        self.shown.append(inputs['template'][0].copy())
        return dict(box=box[None].astype(np.float32), score=np.array([[score]]))


def test_boxes_and_templates_are_those_of_a_released_tracker(shared):
    """Of MixFormerV2, with a candidate chosen within each interval and frames without the target."""
    with np.load(shared / 'reference' / 'mixformerv2_small.npz') as numbers:
        config = {name: int(numbers[f'config/tracker/{name}']) for name in ('template', 'search')}
        numbers = {name.removeprefix('tracking/'): numbers[name] for name in numbers.files if 'tracking/' in name}
    geometry = SquareCrops(config['template'], config['search'], template_factor=2.0, search_factor=4.5)
    memory = UpdatedTemplate(2, int(numbers['update_interval']), 0.5, value='score', choose='best')
    network = Recorded(ModelCard.of('MixFormerV2', geometry, memory), numbers['network_boxes_cxcywh'],
                       numbers['scores'])
    loop, frames = TrackingLoop(network), numbers['frames']
    boxes = [numbers['init_box'].astype(float), *numbers['boxes_xywh']]
    state = loop.start(frames[0], boxes[0])
    for frame, image in enumerate(frames[1:], start=1):
        np.testing.assert_allclose(loop.step(state, image).box, boxes[frame], rtol=0, atol=1e-3)
        used = int(numbers['online_template_frame_used'][frame - 1])
        for shown, number in zip(network.shown[-1], (0, used), strict=True):
            np.testing.assert_array_equal(shown, geometry.template(frames[number], boxes[number]).image)
