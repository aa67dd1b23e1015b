"""A non-finite loss stops the training, or its step is skipped without a trace, on all ranks alike."""
import json

import pytest
import torch
import toy_training
from clean_process import run_together
from mmengine.hooks import Hook

from ct_mm.engine.checkpoints.reading import read_checkpoint
from ct_mm.engine.finite import check_losses
from ct_mm.registry import HOOKS


def bad_at(*steps, value=float('nan')):
    """A loss that is not finite at some calls; it spoils gradients, should any be computed."""
    calls = iter(range(1, 1000))
    return lambda loss, samples: loss * value if next(calls) in steps else loss


def told(folder):
    return [json.loads(line) for line in (folder / 'bad_steps.jsonl').read_text().splitlines()]


def skipping(count, **more):
    return dict(type='ct_mm.GuardedEpochLoop', max_epochs=4, skip_bad_steps=count, **more)


@pytest.mark.parametrize('value', [float('nan'), float('inf')])
def test_it_stops_and_says_where(train, toys, tmp_path, value):
    toys(Layers=bad_at(7, value=value))
    with pytest.raises(FloatingPointError, match=r'iteration 7 \(epoch 2\): non-finite loss on rank 0: '
                                                 rf'loss_square={value}; batch: draw_\d\.jpg, draw_\d\.jpg\. .*'
                                                 r'skip_bad_steps=N .*bad_steps\.jsonl') as error:
        train('run')
    step, = told(tmp_path / 'run')
    assert (step['iteration'], step['epoch'], step['skipped']) == (7, 2, False)
    rank, = step['ranks']
    assert rank['losses'] == dict(loss_square=str(value)) and all(file in str(error.value) for file in rank['files'])
    assert read_checkpoint(tmp_path / 'run' / 'epoch_1.pth')['meta']['iter'] == 4
    toys(Layers=lambda loss, _: loss)
    assert train('run', resume=True).iter == 16


def plain(value):
    """Tensors as lists, at any depth, so that == compares all of their bits."""
    if isinstance(value, torch.Tensor):
        return value.tolist()
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    return value


class Witness(Hook):
    """Notes for each step whether it changed weights, statistics, gradients or the optimizer."""

    def state(self, runner):
        grads = {name: value.grad for name, value in runner.model.named_parameters()}
        return plain(dict(model=runner.model.state_dict(), grads=grads, optim=runner.optim_wrapper.state_dict()))

    def before_train(self, runner):
        runner.changed = []

    def before_train_iter(self, runner, batch_idx, data_batch=None):
        self.before = self.state(runner)

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
        runner.changed.append(self.before != self.state(runner))


@pytest.fixture
def witness():
    HOOKS.register_module(module=Witness, force=True)
    return [dict(type='ct_mm.StepSeedHook', seed=3), dict(type='ct_mm.Witness', priority='VERY_HIGH')]


@pytest.mark.parametrize('accumulated', [1, 2])
def test_a_skipped_step_leaves_no_trace_and_counts(train, toys, witness, tmp_path, accumulated):
    toys(Layers=bad_at(2, 7))
    optim = dict(type='OptimWrapper', optimizer=dict(type='AdamW', lr=1e-2), accumulative_counts=accumulated)
    runner = train('run', train_cfg=skipping(2), custom_hooks=witness, optim_wrapper=optim)
    assert [i + 1 for i, changed in enumerate(runner.changed) if not changed] == [2, 7]
    assert [step['iteration'] for step in told(tmp_path / 'run')] == [2, 7]
    assert runner.iter == 16 and runner.message_hub.get_scalar('train/skipped_steps').current() == 2
    assert all(torch.isfinite(value).all() for value in runner.model.state_dict().values())


def test_rates_data_and_randomness_of_the_other_steps_stay(train, toys, tmp_path):
    seen = {}

    def note(name, bad):
        act = bad_at(*bad)

        def both(loss, samples):
            seen.setdefault(name, []).append(sorted(str(sample.source) for sample in samples))
            return act(loss, samples)

        toys(Layers=both)
        return train(name, train_cfg=skipping(1)).optim_wrapper.get_lr()

    assert note('whole', []) == note('skipped', [5])
    assert seen['whole'] == seen['skipped']


def test_more_than_were_allowed_stop_it_and_a_resumed_training_counts_on(train, toys, tmp_path):
    toys(Layers=bad_at(3, 6))
    with pytest.raises(FloatingPointError, match=r'iteration 6 .*1 steps were skipped before, as many as .* allows'):
        train('run', train_cfg=skipping(1))
    toys(Layers=bad_at(4))  # the eighth of all
    with pytest.raises(FloatingPointError, match=r'iteration 8 .*as many as'):
        train('run', train_cfg=skipping(1), resume=True)
    assert [step['skipped'] for step in told(tmp_path / 'run')] == [True, False, False]


def test_a_model_that_looks_at_no_loss_itself(train, toys, monkeypatch, tmp_path):
    monkeypatch.setattr('ct_mm.engine.finite.check_losses', lambda *_: None)
    monkeypatch.setattr(toy_training, 'check_losses', lambda *_: None)
    toys(Layers=bad_at(7))
    with pytest.raises(FloatingPointError, match=r'iteration 7 .*on rank 0: loss=nan; batch: draw_\d'):
        train('run')
    toys(Layers=bad_at(7))
    assert train('skip', train_cfg=skipping(1)).iter == 16


def test_a_negative_number_is_an_error(train):
    with pytest.raises(ValueError, match='skip_bad_steps must not be negative'):
        train('run', train_cfg=skipping(-1))


def test_in_a_loop_of_iterations_too(train, toys, tmp_path):
    toys(Layers=bad_at(3))
    loop = dict(type='ct_mm.GuardedIterLoop', max_iters=6, skip_bad_steps=1, val_interval=100)
    assert train('run', train_cfg=loop, param_scheduler=None).iter == 6
    assert told(tmp_path / 'run')[0]['iteration'] == 3


def train_a_rank(rank, folder, limit, watched):
    if not watched:
        toy_training.check_losses = lambda *_: None
    toy_training.Layers.act = staticmethod(bad_at(*([3, 6] if rank == 1 else [])))
    toy_training.join_ranks(rank, folder)
    runner = toy_training.toy_train(folder / 'run', toy_training.wrapped, train_cfg=skipping(limit))
    torch.save([runner.iter, runner.model.module.state_dict(), runner.optim_wrapper.state_dict()],
               folder / f'rank_{rank}.pth')


@pytest.mark.parametrize('watched', [True, False])  # whether the model itself finds the bad loss, before the others
def test_one_rank_with_a_bad_loss_has_all_skip_the_step(tmp_path, watched):
    def train(limit):
        (tmp_path / 'meeting').unlink(missing_ok=True)
        return run_together(train_a_rank, [(rank, tmp_path, limit, watched) for rank in (0, 1)])

    assert train(2) == [0, 0]
    one, other = (torch.load(tmp_path / f'rank_{rank}.pth') for rank in (0, 1))
    weights = [name for name in one[1] if 'running' not in name]  # each rank has its own statistics
    assert one[0] == other[0] and all(torch.equal(one[1][name], other[1][name]) for name in weights)
    assert str(one[2]) == str(other[2])
    assert [[rank['rank'] for rank in step['ranks']] for step in told(tmp_path / 'run')] == [[1], [1]]
    assert train(1) == [1, 1]  # neither waits for the other


def test_a_loss_may_be_a_list_as_that_of_a_region_proposal_network_is():
    losses = dict(loss_rpn=[torch.tensor(1.0), torch.tensor(2.0)], loss=torch.tensor(3.0))
    check_losses(losses)
    losses['loss_rpn'][1] = torch.tensor(float('inf'))
    with pytest.raises(FloatingPointError, match=r"'loss_rpn': inf, 'loss': 3\.0"):
        check_losses(losses)
