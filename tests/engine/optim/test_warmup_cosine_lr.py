import numpy as np
import pytest
import torch
from mmengine.optim import OptimWrapper
from mmengine.registry.build_functions import build_scheduler_from_cfg
from parity_files import parity_files

from ct_mm.registry import PARAM_SCHEDULERS

CONFIG = dict(type='ct_mm.WarmupCosineLR', warmup=2, length=170, start_factor=1e-3, eta_min=1e-6, by_epoch=True,
              convert_to_iter_based=True)


def schedule(epoch_length, **changes):
    optimizer = OptimWrapper(torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1e-4))
    scheduler = build_scheduler_from_cfg(dict(CONFIG, **changes), PARAM_SCHEDULERS,
                                         default_args=dict(optimizer=optimizer, epoch_length=epoch_length))
    return optimizer, scheduler


def rates(epoch_length, steps, skip=None):
    optimizer, scheduler = schedule(epoch_length)
    found = []
    for step in range(steps):
        found.append(optimizer.get_lr()['lr'][0])
        if step == skip:  # as an interrupted training does
            state = scheduler.state_dict()
            optimizer, scheduler = schedule(epoch_length)
            scheduler.load_state_dict(state)
        scheduler.step()
    return found


@pytest.mark.parametrize('file', parity_files('schedule/lr_used_half_epochs'), ids=lambda file: file.stem)
def test_the_rates_are_those_of_the_released_code(file):
    expected = np.load(file)['schedule/lr_used_half_epochs']
    _, scheduler = schedule(1024)
    found = [scheduler.value(max(512 * i - 1, 0), 1e-4) for i in range(len(expected))]
    np.testing.assert_allclose(found, expected, rtol=1e-12)
    np.testing.assert_allclose(rates(8, 8 * 20)[::4][1:], [
        schedule(8)[1].value(4 * i - 1, 1e-4) for i in range(1, 40)], rtol=1e-12)


def test_the_end_that_a_runner_gives_is_in_epochs():
    optimizer, scheduler = schedule(4, length=3, end=5)
    for step in range(20):
        assert optimizer.get_lr()['lr'][0] == pytest.approx(scheduler.value(max(step - 1, 0), 1e-4)), step
        scheduler.step()


def test_a_schedule_goes_on_where_it_stopped():
    assert rates(4, 40) == rates(4, 40, skip=5)


def test_the_first_two_steps_share_a_rate_and_the_end_stays():
    found = rates(1, 180)
    assert found[0] == found[1] < found[2] and found[3] == 1e-4
    assert found[-1] == found[-5] == pytest.approx(1e-6)


@pytest.mark.parametrize('changes, words', [(dict(warmup=0), 'warmup=0'), (dict(length=0), 'length=0')])
def test_wrong_lengths_are_named(changes, words):
    with pytest.raises(ValueError, match=words):
        schedule(4, **changes)
