"""Layers that fade out in a whole training."""
import copy

import pytest
import torch
from mmengine.config import Config
from run_name import run_name

from ct_mm.cli import build_runner
from ct_mm.compression import ReplacementDistiller
from ct_mm.compression.hooks.progressive_removal_hook import ProgressiveRemovalHook, removal_rate
from ct_mm.registry import HOOKS


@HOOKS.register_module(force=True)
class StopAfter(ProgressiveRemovalHook):
    """Stops a training as a kill does, and notes which factors its steps had."""

    seen = []

    def __init__(self, epochs=None):
        super().__init__()
        self.epochs = epochs

    def before_train_iter(self, runner, batch_idx, data_batch=None):
        if runner.epoch == self.epochs:
            raise KeyboardInterrupt
        slots = ReplacementDistiller.of(runner).divided.slots
        self.seen.append([None if slot.fading is None else slot.fading.rate for slot in slots])

    before_train = after_train_iter = lambda *args, **kwargs: None


@pytest.fixture
def run(tmp_path, training_cfg, teacher_file):
    def start(name, epochs=None, hook=None, resume=False, step=None):
        StopAfter.seen.clear()
        hooks = [dict(type='ct_mm.ProgressiveRemovalHook', length=4, **(hook or {})),
                 dict(type='ct_mm.StopAfter', epochs=epochs)]
        compress = dict(teacher=teacher_file, stage_sizes=[3, 3], layers_per_stage=2, progress=None,
                        replacement=dict(schedule='constant', initial=1.0), **(dict(step=step) if step else {}))
        runner = build_runner(Config(dict(
            copy.deepcopy(training_cfg), runner_type='ct_mm.CompressRunner', work_dir=str(tmp_path / name),
            resume=resume, experiment_name=run_name(tmp_path), compress=compress, custom_hooks=hooks)))
        try:
            runner.train()
        except KeyboardInterrupt:
            assert runner.epoch == epochs
        return runner

    return start


def test_the_rate_falls_as_published():
    assert [round(removal_rate(epoch, 4), 4) for epoch in range(5)] == [0.5, 0.1464, 0.0, 0.0, 0.0]


def test_removed_layers_fade_in_training_steps_only(run):
    runner = run('whole')
    slots = ReplacementDistiller.of(runner).divided.slots
    removed = [index for index, slot in enumerate(slots) if slot.layer is None]
    assert len(removed) == 2 and all(slot.fading is None for slot in slots)
    assert len(StopAfter.seen) == 8  # two steps in each of four epochs
    for step, rates in enumerate(StopAfter.seen):
        expected = removal_rate(step // 2, 4) or None
        assert [rates[index] for index in removed] == [expected] * 2
        assert all(rate is None for index, rate in enumerate(rates) if index not in removed)
    student = torch.load(f'{runner.work_dir}/student/student.pth', weights_only=True)['state_dict']
    assert sum(key.endswith('norm1.weight') for key in student) == 4


def test_resumed_equals_uninterrupted_bit_for_bit(run):
    whole = run('whole').model.state_dict()
    run('halves', epochs=1)
    resumed = run('halves', resume=True).model.state_dict()
    assert all(torch.equal(whole[name], resumed[name]) for name in whole)


@pytest.mark.parametrize('settings, message', [
    (dict(hook=dict(writers=('attn.out', 'mlp.fc2'))), 'ViTBlock has no attn.out'),
    (dict(step=dict(checkpoint=True)), 'remove compile and checkpoint from compress.step'),
])
def test_what_cannot_fade_is_an_error_before_the_first_step(run, settings, message):
    with pytest.raises(ValueError, match=message):
        run('bad', **settings)
    assert StopAfter.seen == []


def test_a_length_of_no_steps_is_refused():
    with pytest.raises(ValueError, match='length=0 must be at least 1'):
        ProgressiveRemovalHook(0)
