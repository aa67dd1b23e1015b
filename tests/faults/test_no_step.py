"""A training that would make no step, or not what was asked for, is an error before the first one."""
import copy

import pytest

from ct_mm import cli


@pytest.fixture
def refused(config, tmp_path):
    """Starts a training that must be refused, and makes sure that it left no checkpoint."""

    def start(message, **more):
        with pytest.raises(ValueError, match=message):
            cli.build_runner(config('run', **more)).train()
        assert not list(tmp_path.rglob('*.pth'))

    return start


LOOPS = ['ct_mm.GuardedEpochLoop', 'EpochBasedTrainLoop']  # MMEngine's own: StepSeedHook looks


@pytest.mark.parametrize('loop', LOOPS)
def test_a_batch_larger_than_an_epoch(refused, config, loop):
    loader = copy.deepcopy(config().train_dataloader)
    loader.update(batch_size=9, drop_last=True)
    refused(r'train_dataloader makes no step: 8 samples in an epoch, batch_size=9, drop_last=True\. Lower batch_size',
            train_dataloader=loader, train_cfg=dict(type=loop, max_epochs=2), param_scheduler=None)


@pytest.mark.parametrize('loop', LOOPS)
def test_no_epoch(refused, loop):
    refused('max_epochs=0', train_cfg=dict(type=loop, max_epochs=0), param_scheduler=None)


@pytest.mark.parametrize('settings, message', [
    (dict(max_epochs=True), 'train_cfg.max_epochs=True must be int'),
    (dict(max_epochs='four'), "train_cfg.max_epochs='four' must be int"),
    (dict(max_epochs=2.5), 'train_cfg.max_epochs=2.5 must be int'),
    (dict(max_epoch=2), r'train_cfg.max_epoch is unknown; did you mean max_epochs\?'),
    (dict(max_epochs=2, val_interval=0), 'train_cfg.val_interval=0 must be'),
    (dict(max_epochs=2, skip_bad_steps='no'), "skip_bad_steps='no' must be int"),
])
def test_wrong_arguments_of_the_loop(refused, settings, message):
    refused(message, train_cfg=dict(type='ct_mm.GuardedEpochLoop', **settings))


def test_no_iteration(refused):
    refused('max_iters=0', train_cfg=dict(type='ct_mm.GuardedIterLoop', max_iters=0), param_scheduler=None)
