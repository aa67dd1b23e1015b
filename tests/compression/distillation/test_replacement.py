import numpy as np
import pytest

from ct_mm.compression import replacement_rate, sample_path
from ct_mm.compression.distillation.replacement import is_mixed_step


@pytest.mark.parametrize('epochs', [50, 300, 500])
def test_three_phase_rate_is_the_released_codes_in_every_epoch(reference, epochs):
    official = reference('replacement_rate_official')[f'epochs_{epochs}']
    ours = [replacement_rate(epoch, epochs) for epoch in range(epochs)]
    np.testing.assert_array_equal(ours, official)


def test_phases_have_the_length_of_integer_division_for_every_number_of_steps():
    for steps in range(2, 600):
        rates = [replacement_rate(step, steps) for step in range(steps)]
        width = steps // 10
        assert rates[:width + 1] == [0.5] * (width + 1), steps
        assert rates[steps - width:] == [1.0] * width, steps
        assert rates == sorted(rates) and max(rates) <= 1.0, steps


def test_linear_and_constant():
    assert [replacement_rate(s, 5, 'linear', initial=0.2) for s in range(5)] == pytest.approx([.2, .4, .6, .8, 1.])
    assert {replacement_rate(s, 5, 'constant', initial=0.7) for s in range(5)} == {0.7}


@pytest.mark.parametrize('kwargs, named', [(dict(schedule='cosine'), 'schedule'), (dict(initial=1.5), 'initial'),
                                           (dict(hold=0.5), 'hold'), (dict(num_steps=0), 'num_steps')])
def test_wrong_arguments_are_named(kwargs, named):
    with pytest.raises(ValueError, match=named):
        replacement_rate(**{'step': 0, 'num_steps': 10, **kwargs})


def test_path_depends_on_seed_and_step_only_and_has_the_rate():
    draws = np.array([sample_path(3, step, 0.7, 4) for step in range(4000)])
    again = np.array([sample_path(3, step, 0.7, 4) for step in reversed(range(4000))])[::-1]
    np.testing.assert_array_equal(draws, again)
    assert (draws != np.array([sample_path(4, step, 0.7, 4) for step in range(4000)])).any()
    np.testing.assert_allclose(draws.mean(0), 0.7, atol=0.03)
    assert abs(np.corrcoef(draws.T) - np.eye(4)).max() < 0.06, 'stages are drawn independently'


def test_a_path_is_never_empty_and_the_forced_stage_varies():
    draws = np.array([sample_path(0, step, 0.0, 3) for step in range(600)])
    assert (draws.sum(1) == 1).all()
    assert (draws.mean(0) > 0.25).all()
    assert all(all(sample_path(0, step, 1.0, 3)) for step in range(100))


def test_mixed_steps_are_a_share_of_all_steps_to_the_end_and_depend_on_seed_and_step_only():
    steps = [is_mixed_step(3, step, 0.25) for step in range(4000)]
    assert steps == [is_mixed_step(3, step, 0.25) for step in reversed(range(4000))][::-1]
    assert steps != [is_mixed_step(4, step, 0.25) for step in range(4000)]
    assert np.reshape(steps, (4, 1000)).mean(1) == pytest.approx([0.25] * 4, abs=0.04)
    assert not any(is_mixed_step(0, step, 0.0) for step in range(50))
    assert all(is_mixed_step(0, step, 1.0) for step in range(50))
    with pytest.raises(ValueError, match='mixed_share=1.5'):
        is_mixed_step(0, 0, 1.5)


def test_mixed_steps_say_nothing_about_their_paths():
    """A draw for both would favour the stages that are drawn first."""
    paths = np.array([sample_path(0, step, 0.5, 4) for step in range(4000) if is_mixed_step(0, step, 0.3)])
    np.testing.assert_allclose(paths.mean(0), 0.5 + 0.5 ** 4 / 4, atol=0.05)
