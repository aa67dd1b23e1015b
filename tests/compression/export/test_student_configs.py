import pytest
from mmengine.config import ConfigDict
from mmengine.registry import MODELS as ROOT_MODELS
from mmengine.registry import DefaultScope, Registry
from torch import nn

from ct_mm.compression.division.divided_model import DividedModel
from ct_mm.compression.division.spec import DivisionSpec
from ct_mm.compression.export.student_configs import plain_model_config
from ct_mm.registry import MODELS


class Holder(nn.Module):
    arch_zoo = dict(base=dict(embed_dims=4, num_layers=6), swin=dict(depths=[2, 2, 6]))

    def __init__(self, arch='base', depth=12, **modules):
        super().__init__()


def holder(**modules):
    made = Holder()
    for name, module in modules.items():
        setattr(made, name, module)
    return made


def blocks(count, width=4):
    return nn.ModuleList(nn.TransformerEncoderLayer(width, 1, 4) for _ in range(count))


@pytest.fixture(autouse=True)
def registered():
    MODELS.register_module(name='Holder', module=Holder, force=True)
    with DefaultScope.overwrite_default_scope('ct_mm'):  # a run in another test may have left another scope
        yield
    MODELS.module_dict.pop('Holder')


def plain(owner, config, layers=None, **division):
    config = dict(type='Model', backbone=config)
    spec = DivisionSpec(layers=f'backbone.{layers}' if layers else 'backbone', **division)
    divided = DividedModel(holder(backbone=owner), spec, config)
    return plain_model_config(config, divided)['backbone']


@pytest.mark.parametrize('config, expected', [
    (dict(num_hidden_layers=6), dict(num_hidden_layers=3)),
    (dict(arch=dict(num_layers=6, width=1)), dict(arch=dict(num_layers=3, width=1))),
    (dict(arch='base'), dict(arch=dict(embed_dims=4, num_layers=3))),
    (dict(), dict(arch=dict(embed_dims=4, num_layers=3))),
    (dict(depth=6, out_indices=(1, 3, -1)), dict(depth=3, out_indices=[0, 1, -1])),
    (dict(depth=6, ce_layers=[0, 3, 5]), dict(depth=3, ce_layers=[1, 2]))])
def test_where_configs_keep_a_number_of_layers(config, expected):
    made = plain(holder(layers=blocks(6)), dict(type='Holder', **config), num_stages=3)
    assert made.to_dict() == dict(type='Holder', **expected)


@pytest.mark.parametrize('config, expected', [
    (dict(encoder=dict(num_layers=4), decoder=dict(num_layers=4)),
     dict(encoder=dict(num_layers=4), decoder=dict(num_layers=2))),
    (dict(num_encoder_layers=4, num_decoder_layers=4), dict(num_encoder_layers=4, num_decoder_layers=2)),
    (dict(encoder=dict(depth=9), head=dict(inner=dict(depth=4))), dict(encoder=dict(depth=9),
                                                                       head=dict(inner=dict(depth=2))))])
def test_the_number_that_is_nearest_to_the_stack_counts(config, expected):
    owner = holder(encoder=holder(layers=blocks(4)), decoder=holder(layers=blocks(4, 8)))
    made = plain(owner, dict(type='Holder', **config), layers='decoder.layers', num_stages=2)
    assert made.to_dict() == dict(type='Holder', **expected)


@pytest.mark.parametrize('depths', [[2, 2, 6], (2, 2, 6)])
def test_one_number_for_each_width_of_a_hierarchy(depths):
    stages = nn.ModuleList(holder(blocks=blocks(depth, 4 << i)) for i, depth in enumerate(depths))
    made = plain(holder(stages=stages), dict(type='Holder', depths=depths), num_stages=[2, 1, 3])
    assert made.depths == type(depths)([2, 1, 3])
    one_list = nn.ModuleList([*blocks(2), nn.Linear(4, 8), *blocks(2, 8), *blocks(6, 16)])
    made = plain(holder(blocks=one_list), dict(type='Holder', arch='swin'), num_stages=[1, 2, 2])
    assert made.arch.depths == [1, 2, 2] and Holder.arch_zoo['swin']['depths'] == [2, 2, 6]


@pytest.mark.parametrize('table', ['arch_zoo', 'arch_settings', 'presets'])
def test_presets_of_another_codebase_are_found_in_the_scope_of_the_run(table):
    elsewhere = Registry('model', parent=ROOT_MODELS, scope='elsewhere')
    preset = dict(depths=[2, 2, 6], channels=[8, 16, 32])
    parent = type('Parent', (Holder, ), {'arch_zoo': None, table: dict(tiny=preset)})
    elsewhere.register_module(name='TheirHolder', module=type('TheirHolder', (parent, ), {}))
    try:
        with DefaultScope.overwrite_default_scope('elsewhere'):
            stages = nn.ModuleList(holder(blocks=blocks(depth, 4 << i)) for i, depth in enumerate([2, 2, 6]))
            made = plain(holder(stages=stages), dict(type='TheirHolder', arch='Tiny'), layers='stages.2.blocks',
                         stage_sizes=[3, 3])
    finally:
        ROOT_MODELS.children.pop('elsewhere')
    assert made.to_dict() == dict(type='TheirHolder', arch=dict(depths=[2, 2, 2], channels=[8, 16, 32]))
    assert preset['depths'] == [2, 2, 6]


def test_what_the_config_cannot_say_is_named():
    with pytest.raises(ValueError, match=r'no key for its number of layers \(5 in layers; looked for depth'):
        plain(holder(layers=blocks(5)), dict(type='Holder'), num_stages=2)
    with pytest.raises(ValueError, match=r'out_indices=\[0, 5\] of Holder names layers \[0\]'):
        plain(holder(layers=blocks(6)), dict(type='Holder', depth=6, out_indices=[0, 5]), num_stages=3)


def test_changes_for_the_students_layers_are_in_it(monkeypatch):
    monkeypatch.setattr(Holder, 'layers', blocks(6), raising=False)
    config = ConfigDict(type='Model', backbone=dict(type='ct_mm.Holder', depth=6, mlp=dict(ratio=4, act='gelu')))
    spec = DivisionSpec(num_stages=2, student=dict(mlp=dict(ratio=1)))
    made = plain_model_config(config, DividedModel(holder(backbone=holder(layers=blocks(6))), spec, config))
    assert made.backbone.mlp == dict(ratio=1, act='gelu') and made.backbone.depth == 2
    assert config.backbone.mlp.ratio == 4 and config.backbone.depth == 6, 'a copy'
