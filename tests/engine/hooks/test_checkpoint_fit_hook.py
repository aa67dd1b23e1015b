"""Weights at every door: however they are wrapped they are found, and what does not fit is never scored."""
import copy
import re

import pytest
import torch
from mmengine.config import Config

from ct_mm import test, train
from ct_mm.engine.checkpoints.reading import find_weights, read_state_dict
from ct_mm.engine.checkpoints.writing import deflate_checkpoint
from ct_mm.registry import MODELS
from ct_mm.tracking.inference import init_model

CONFIG = """
default_scope = 'ct_mm'
model = dict(
    type='ct_mm.OSTrack',
    backbone=dict(type='ct_mm.OneStreamViT', embed_dim=16, depth=3, num_heads=2, template_size=32, search_size=64),
    head=dict(type='ct_mm.CenterHead', in_channels=16, feat_size=4, channels=16))
test_dataloader = dict(
    batch_size=1, num_workers=0, sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(type='ct_mm.SequenceFolder', data_root='ct_mm::demo/clips', index_dir=None))
test_evaluator = dict(type='ct_mm.SOTMetric')
test_cfg = dict()
train_dataloader = dict(
    batch_size=2, num_workers=0, sampler=dict(type='ct_mm.DrawSampler'),
    dataset=dict(
        type='ct_mm.PairDataset', pairs_per_epoch=2,
        sources=[dict(type='ct_mm.SequencePairs', dataset=dict(
            type='ct_mm.SequenceFolder', data_root='ct_mm::demo/clips', index_dir=None))],
        pipeline=[dict(type='ct_mm.CropPair', template_size=32, search_size=64), dict(type='ct_mm.PackTrackInputs')]))
train_cfg = dict(type='EpochBasedTrainLoop', max_epochs=1)
optim_wrapper = dict(type='OptimWrapper', optimizer=dict(type='SGD', lr=0.0))
"""


def prefixed(prefix):
    return lambda state: {f'{prefix}{name}': value for name, value in state.items()}


WRAPPINGS = dict(
    net=lambda state: dict(net=state),
    model=lambda state: dict(model=state, optimizer={}),
    ema=lambda state: dict(ema=dict(prefixed('module.')(state), steps=torch.tensor(3))),
    ema_in_model=lambda state: dict(model=dict(state_dict=state)),
    bare=lambda state: state,
    in_module=lambda state: dict(state_dict=prefixed('module.')(state)),
    in_model=lambda state: dict(state_dict=prefixed('model.')(state)),
    compiled=lambda state: dict(state_dict=prefixed('_orig_mod.')(state)),
    compiled_part=lambda state: {name.replace('backbone.', 'backbone._orig_mod.'): value
                                 for name, value in state.items()},
    all_of_it=lambda state: dict(net=prefixed('module.model._orig_mod.')(state)),
)


@pytest.fixture
def state(tmp_path, monkeypatch):
    """The weights of the model in ``config.py``; the current folder is a new one."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / 'config.py').write_text(CONFIG)
    torch.manual_seed(0)
    return MODELS.build(Config.fromfile('config.py').model).state_dict()


@pytest.fixture
def tested(monkeypatch, tmp_path):
    """Tests ``x.pth`` by the command line up to the first frame; returns the model's weights there."""

    class FirstFrame(Exception):
        pass

    def run(*argv):
        models = []

        def stop(loop):
            models.append(loop.runner.model)
            raise FirstFrame

        monkeypatch.setattr('mmengine.runner.TestLoop.run', stop)
        options = [f'experiment_name={tmp_path.name}_{len(list(tmp_path.rglob("*.log")))}']
        with pytest.raises(FirstFrame):
            test.main(['config.py', 'x.pth', '--device', 'cpu', *argv, '--cfg-options', *options])
        return models[0].state_dict()

    return run


def same(one, other):
    return one.keys() == other.keys() and all(torch.equal(value, other[name]) for name, value in one.items())


@pytest.mark.parametrize('wrap', WRAPPINGS.values(), ids=WRAPPINGS)
def test_the_usual_wrappings_are_understood_to_test_and_to_track(wrap, state, tested):
    torch.save(wrap(state), 'x.pth')
    assert same(tested(), state)
    assert same(init_model('config.py', 'x.pth').state_dict(), state)
    assert find_weights(torch.load('x.pth')).keys() == state.keys()


BROKEN = dict(
    empty=(lambda state: dict(state_dict={}), 'holds no weights'),
    three_missing=(lambda state: dict(state_dict=dict(list(state.items())[3:])), r'3 missing \(backbone\.'),
    surplus=(lambda state: dict(state_dict=dict(state, extra=torch.ones(1))), r'1 not in the model \(extra\)'),
    reshaped=(lambda state: dict(net=dict(state, **{'backbone.norm.weight': torch.ones(5)})),
              r'1 of another shape \(backbone.norm.weight: shape \(5,\) in the checkpoint, \(16,\) in the model\)'),
    other=(lambda state: dict(state_dict=dict(a=torch.ones(1))), 'missing .* 1 not in the model'),
)


@pytest.mark.parametrize('wrap, words', BROKEN.values(), ids=BROKEN)
def test_weights_that_do_not_fit_are_never_scored(wrap, words, state, tested):
    torch.save(wrap(copy.deepcopy(dict(state))), 'x.pth')
    with pytest.raises(ValueError, match=f'x.pth .*{words}'):
        tested()
    with pytest.raises(ValueError, match=f'x.pth .*{words}'):
        init_model('config.py', 'x.pth')


def start(name, *options):
    train.main(['config.py', '--device', 'cpu', '--work-dir', name, '--cfg-options', 'load_from=x.pth',
                f'experiment_name={name}_{id(options)}', *options])
    return {name: value for name, value in torch.load(f'{name}/epoch_1.pth', weights_only=False)['state_dict'].items()
            if not re.search('running|batches', name)}


def test_a_training_starts_from_any_wrapping_and_from_a_part_but_not_from_nothing(state, capfd):
    torch.save(WRAPPINGS['all_of_it'](state), 'x.pth')
    whole = start('whole')
    assert same(whole, {name: state[name] for name in whole})
    torch.save(dict(state_dict={name: value for name, value in state.items() if 'blocks' not in name}), 'x.pth')
    part = start('part')
    assert all(torch.equal(part[name], value) for name, value in state.items()
               if name in part and 'blocks' not in name)
    loaded, missing = sum('blocks' not in name for name in state), sum('blocks' in name for name in state)
    assert f'{missing} missing (backbone.blocks.0' in (log := capfd.readouterr().out)
    assert f'{loaded} are loaded, the others start as without load_from' in log
    torch.save(dict(state_dict={f'other.{name}': value for name, value in state.items()}), 'x.pth')
    with pytest.raises(ValueError, match=r'x.pth do not fit .*None of them fit, so load_from would change nothing'):
        start('nothing')


class Wrapped(torch.nn.Module):
    """All names of its weights begin with those of a wrapper; it leaves a buffer out of its state dict."""

    def __init__(self):
        super().__init__()
        self.model = torch.nn.Linear(2, 1)
        self.register_buffer('table', torch.ones(2))
        self._register_state_dict_hook(lambda module, state, *_: state.__delitem__('table'))


@pytest.mark.parametrize('names', [['model.weight', 'model.bias'], ['weight', 'bias'],
                                   ['module.model.weight', 'module.model.bias']])
def test_a_model_that_looks_like_a_wrapper_and_leaves_a_buffer_out(names):
    from ct_mm.engine.checkpoints.misfit import fit_names, misfit_of
    model, values = Wrapped(), [torch.full((1, 2), 7.0), torch.full((1, ), 5.0)]
    weights = fit_names(model.state_dict(), dict(zip(names, values)))
    assert list(weights) == ['model.weight', 'model.bias'] and not misfit_of(model, weights)


def test_weights_that_the_model_converts_fit():
    from ct_mm.engine.checkpoints.misfit import misfit_of

    class Converts(torch.nn.Linear):

        def _load_from_state_dict(self, state, prefix, *args):
            state[f'{prefix}weight'] = state.pop(f'{prefix}kernel').T
            super()._load_from_state_dict(state, prefix, *args)

    assert not misfit_of(Converts(2, 1), dict(kernel=torch.ones(2, 1), bias=torch.ones(1)))
    model = Converts(2, 1)
    before = {name: value.clone() for name, value in torch.nn.Linear.state_dict(model).items()}
    assert misfit_of(torch.nn.Linear(2, 1), dict(kernel=torch.ones(2, 1), bias=torch.ones(1)))
    assert same(model.state_dict(), before)


def test_a_file_that_unpacks_to_more_than_the_model_needs_is_refused_wherever_the_model_is_known(state, tmp_path):
    """26 MB of zeros beside the weights of a model of 0.1 MB: less than any file may unpack to, more than this may."""
    torch.save(dict(state_dict=state, more=torch.zeros(26 << 18)), tmp_path / 'big.pth')
    deflate_checkpoint(tmp_path / 'big.pth')
    assert read_state_dict(tmp_path / 'big.pth').keys() == state.keys()
    refused = r'big.pth.* would unpack from .* which is too much for a model of .* largest entry is .* with 27.3 MB'
    with pytest.raises(ValueError, match=refused):
        init_model('config.py', 'big.pth')
    for door in (lambda: test.main(['config.py', 'big.pth', '--device', 'cpu']),
                 lambda: train.main(['config.py', '--device', 'cpu', '--cfg-options', 'load_from=big.pth'])):
        with pytest.raises(ValueError, match=refused):
            door()
