"""Every parameter is trained as its base config says, whatever decides by its name or asks the model for it."""
import re

import pytest
import torch
from mmengine.optim import DefaultOptimWrapperConstructor
from mmengine.registry import OPTIM_WRAPPER_CONSTRUCTORS
from optimizer_settings import plain_and_compressed, plain_name, settings
from torch import nn

from ct_mm.registry import MODELS

ADAMW = dict(type='AdamW', lr=1e-3, weight_decay=0.05)


@OPTIM_WRAPPER_CONSTRUCTORS.register_module(force=True)
class DecayByDepth(DefaultOptimWrapperConstructor):
    """As those of other codebases: asks the model for its class and depth, and cuts the names of its parameters."""

    def add_params(self, params, module, **kwargs):
        assert type(module).__name__ == 'OSTrack'
        depth = len(module.backbone.blocks)
        for name, parameter in module.named_parameters():
            block = re.match(r'backbone\.blocks\.(\d+)\.(?!layer\.)', name)
            layer = int(block[1]) + 1 if block else 0 if name.startswith('backbone.') else depth + 1
            params.append(dict(params=[parameter], lr=self.base_lr * self.paramwise_cfg['rate']**(depth + 1 - layer)))


@MODELS.register_module(force=True)
class LearnedLoss(nn.Module):

    def __init__(self):
        super().__init__()
        self.scale = nn.Parameter(torch.ones(3))

    def forward(self, student, teacher):
        return self.scale.sum()


WRAPPERS = {
    'no parameter is special': dict(),
    'kinds of parameters': dict(paramwise_cfg=dict(norm_decay_mult=0.0, bias_lr_mult=2.0, flat_decay_mult=0.0)),
    'custom keys': dict(paramwise_cfg=dict(custom_keys={
        'backbone': dict(lr_mult=0.1), 'backbone.blocks.1.norm1': dict(lr_mult=0.3, decay_mult=0.0),
        'blocks.3.attn': dict(lr_mult=0.7), '.search_pos': dict(decay_mult=0.0), 'head': dict(lr_mult=3.0)})),
    'decay by depth': dict(constructor='DecayByDepth', paramwise_cfg=dict(rate=0.5)),
}


@pytest.mark.parametrize('name', WRAPPERS)
def test_every_setting_is_that_of_the_plain_training(name, tracker_cfg, tmp_path):
    wrapper = dict(optimizer=ADAMW, **WRAPPERS[name])
    plain, compressed, runner = plain_and_compressed(tracker_cfg(), wrapper, tmp_path, num_stages=3)
    assert compressed == {key: plain[key] for key in compressed}
    assert len(compressed) == len(list(runner.model.parameters())) < len(plain)
    if WRAPPERS[name]:
        assert len({(group['lr'], group['weight_decay']) for group in compressed.values()}) > 1
    if name == 'decay by depth':
        rates = [compressed[f'backbone.blocks.{place}.attn.qkv.weight']['lr'] for place in (1, 3, 5)]
        assert rates == pytest.approx([1e-3 * 0.5**5, 1e-3 * 0.5**3, 1e-3 * 0.5])


def test_equal_weights_and_gradients_take_equal_steps(tracker_cfg, tmp_path):
    wrapper = dict(optimizer=ADAMW, **WRAPPERS['decay by depth'])
    _, _, runner = plain_and_compressed(tracker_cfg(), wrapper, tmp_path, num_stages=3)
    from mmengine.optim import build_optim_wrapper
    plain = MODELS.build(tracker_cfg())
    moved = {}
    for model, build in ((plain, lambda: build_optim_wrapper(plain, dict(wrapper))),
                         (runner.model, lambda: runner.build_optim_wrapper(dict(wrapper)))):
        optimizer = build()
        for parameter in model.parameters():
            parameter.data.fill_(0.5)
            parameter.grad = torch.ones_like(parameter)
        optimizer.step()
        moved[model is plain] = {plain_name(name): p.flatten()[0].item() for name, p in model.named_parameters()}
    assert moved[False] == {name: moved[True][name] for name in moved[False]}
    assert len(set(moved[False].values())) == 5  # the stem, three depths, the head


@pytest.mark.parametrize('wrapper', [dict(), WRAPPERS['custom keys']], ids=['plain', 'by name'])
def test_what_a_plain_model_lacks_is_trained_too(wrapper, tracker_cfg, tmp_path):
    wrapper = dict(optimizer=ADAMW, **wrapper)
    _, compressed, runner = plain_and_compressed(
        tracker_cfg(), wrapper, tmp_path, num_stages=3, student=dict(embed_dim=16),
        losses=dict(learned=dict(type='ct_mm.LearnedLoss')))
    names = {plain_name(name) for name, _ in runner.model.named_parameters()}
    assert compressed.keys() == names and 'losses.learned.scale' in names
    assert 'backbone.blocks.3.enter.weight' in names
    if 'paramwise_cfg' in wrapper:  # a map between stages is trained as its block is
        assert compressed['backbone.blocks.3.enter.weight']['lr'] == pytest.approx(1e-4)


def test_the_model_is_divided_again_afterwards(tracker_cfg, tmp_path, monkeypatch):
    _, _, runner = plain_and_compressed(tracker_cfg(), dict(optimizer=ADAMW), tmp_path, num_stages=3,
                                        student=dict(embed_dim=16), losses=dict(learned=dict(type='ct_mm.LearnedLoss')))
    model, names = runner.model, list(runner.model.state_dict())

    def fail(*_):
        raise LookupError('the constructor cannot')

    monkeypatch.setattr(DecayByDepth, 'add_params', fail)
    with pytest.raises(LookupError):
        runner.build_optim_wrapper(dict(optimizer=ADAMW, constructor='DecayByDepth', paramwise_cfg=dict(rate=0.5)))
    assert runner.model is model and list(model.state_dict()) == names
    assert settings(model, runner.build_optim_wrapper(dict(optimizer=ADAMW)))
