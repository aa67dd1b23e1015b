"""Which templates a network sees, against what the released trackers did."""
import numpy as np
import pytest

from ct_mm.tracking.runtime.memories import FixedTemplate, SampledMemory, UpdatedTemplate, build_memory


def follow(memory, values):
    """Shows a memory frames with these scores; yields what it shows for each, by the number of the template's frame."""
    state = memory.start(0)
    for frame, value in enumerate(values, start=1):
        yield memory.templates(state)
        wanted = memory.wants(state, frame, value, value)
        state = memory.update(state, frame, frame if wanted else None, value, value)


@pytest.mark.parametrize('number', [1, 2, 3, 4])
def test_sampled_templates_are_those_of_the_released_tracker(shared, number):
    with np.load(shared / 'reference' / 'odtrack_small.npz') as numbers:
        expected = numbers[f'memory/number_{number}']  # (60, 5), -1: none
    for shown, row in zip(follow(SampledMemory(number, limit=None), [0.0] * len(expected)), expected, strict=True):
        assert list(shown) == row[row >= 0].tolist()


@pytest.mark.parametrize('number, limit', [(3, 12), (1, 2), (4, 5)])
def test_with_a_limit_no_more_are_kept_and_the_nearest_stand_in(number, limit):
    limited, whole = SampledMemory(number, limit), SampledMemory(number, limit=None)
    state = limited.start(0)
    for frame in range(1, 500):
        shown, wanted = limited.templates(state), whole.indices(frame)
        assert len(state.kept) <= limit and shown[0] == 0 and sorted(shown) == list(shown)
        gaps = np.diff([*state.indices, frame])
        for index in wanted:
            nearest = min(abs(index - each) for each in state.indices)
            assert nearest <= gaps.max() and any(abs(index - each) == nearest for each in shown)
        state = limited.update(state, frame, frame, 0.0, 0.0)
    assert gaps.max() <= 4 * 500 / (limit - 1), 'crops are spread over the whole past'


def test_without_a_limit_every_template_is_kept():
    memory = SampledMemory(number=3, limit=None)
    state = memory.start(0)
    for frame in range(1, 200):
        state = memory.update(state, frame, frame, 0.0, 0.0)
    assert state.kept == tuple(range(200))


def test_the_best_of_an_interval_comes_in_as_in_the_released_tracker(shared):
    with np.load(shared / 'reference' / 'mixformerv2_small.npz') as numbers:
        numbers = {name.removeprefix('tracking/'): numbers[name] for name in numbers.files if 'tracking/' in name}
    memory = UpdatedTemplate(slots=2, interval=int(numbers['update_interval']), threshold=0.5, value='score',
                             choose='best')
    state = memory.start(0)
    for frame, score in enumerate(numbers['scores'].tolist(), start=1):
        assert memory.templates(state) == (0, numbers['online_template_frame_used'][frame - 1])
        wanted = memory.wants(state, frame, score, -1.0)
        assert wanted == bool(numbers['became_candidate'][frame - 1])
        state = memory.update(state, frame, frame if wanted else None, score, -1.0)
        assert memory.templates(state) == (0, numbers['online_template_frame_after'][frame - 1])
        assert state.best == pytest.approx(numbers['max_score_after'][frame - 1])
    assert 0 < sum(numbers['became_candidate']) < len(numbers['scores'])


@pytest.mark.parametrize('run', ['update', 'threshold_run', 'one_template'])
def test_the_last_of_an_interval_comes_in_as_in_the_released_tracker(shared, run):
    with np.load(shared / 'reference' / 'sutrack_small.npz') as numbers:
        interval, threshold = int(numbers['track/update_interval']), float(numbers['track/threshold'])
        scores, updated = numbers[f'track/{run}/scores'], numbers[f'track/{run}/updated']
    memory = FixedTemplate() if run == 'one_template' else UpdatedTemplate(
        slots=2, interval=interval, threshold=threshold if run == 'threshold_run' else 0.0)
    state, last = memory.start(0), 0
    for frame, score in enumerate(scores.tolist(), start=1):
        wanted = memory.wants(state, frame, 1.0, score)
        assert wanted == updated[frame - 1]
        state, last = memory.update(state, frame, frame if wanted else None, 1.0, score), frame if wanted else last
        assert memory.templates(state) == ((0, ) if run == 'one_template' else (0, last))


def test_the_first_template_comes_back_when_an_interval_was_poor():
    memory = UpdatedTemplate(slots=2, interval=2, threshold=0.5, value='score', choose='best')
    shown = list(follow(memory, [0.9, 0.8, 0.1, 0.2, 0.9]))
    assert shown == [(0, 0), (0, 0), (0, 1), (0, 1), (0, 0)]


def test_of_three_slots_the_oldest_leaves_and_the_first_stays():
    memory = UpdatedTemplate(slots=3, interval=1, threshold=0.5)
    assert list(follow(memory, [0.9] * 4)) == [(0, 0, 0), (0, 0, 1), (0, 1, 2), (0, 2, 3)]
    memory = UpdatedTemplate(slots=2, interval=1, threshold=0.5, keep_first=False)
    assert list(follow(memory, [0.9, 0.4, 0.9, 0.9])) == [(0, 0), (0, 1), (0, 1), (1, 3)]


@pytest.mark.parametrize('choose', ['last', 'best'])
def test_a_score_at_the_threshold_is_not_enough(choose):
    memory = UpdatedTemplate(slots=2, interval=1, threshold=0.5, choose=choose)
    assert list(follow(memory, [0.5, 0.5])) == [(0, 0), (0, 0)]


@pytest.mark.parametrize('data, message', [
    (dict(type='updated', slots=1), 'slots must be a whole number from 2'),
    (dict(type='updated', interval=0), 'interval must be'), (dict(type='updated', threshold=float('nan')), 'threshold'),
    (dict(type='updated', choose='worst'), "choose must be one of 'last', 'best'"),
    (dict(type='updated', value='box'), "value must be one of 'response', 'score'"),
    (dict(type='updated', keep_first=1), 'keep_first must be'),
    (dict(type='sampled', number=0), 'number must be'), (dict(type='sampled', number=3, limit=3), 'limit must be'),
    (dict(type='fixed', slots=65), 'slots must be'), (dict(type='fixed', places=1), 'places'),
    (dict(type='long'), 'memory must be a dict whose type is one of fixed, updated, sampled'), ('fixed', 'memory must'),
    (None, 'memory must'), (dict(slots=2), 'memory must')])
def test_a_memory_that_cannot_be_is_refused(data, message):
    with pytest.raises(ValueError, match=message):
        build_memory(data)


@pytest.mark.parametrize('memory', [FixedTemplate(2), UpdatedTemplate(3, 7, 0.1, 'score', 'best', False),
                                    SampledMemory(4, None)])
def test_a_memory_survives_as_plain_data(memory):
    assert build_memory(memory.to_data()) == memory
