"""What SUTrack says about inputs and files that do not fit it."""
import copy

import pytest
import torch
from mmengine.config import Config
from sutrack_release import released_state

from ct_mm.registry import MODELS
from ct_mm.tracking.inference import init_model
from ct_mm.tracking.models.sutrack.converter import convert_sutrack_keys
from ct_mm.tracking.models.sutrack.converter.config import sutrack_model_config

CONVERTED = convert_sutrack_keys(released_state(), 32, 64)
CONFIG = sutrack_model_config(CONVERTED, 32, 64, num_templates=2, num_heads=2)


def pairs(templates=(2, ), template=32, search=64, masks=(2, 2, 2)):
    return dict(template=torch.zeros(3, *templates, 3, template, template), search=torch.zeros(3, 3, search, search),
                template_mask=torch.zeros(3, *masks))


@pytest.mark.parametrize('inputs, words', [
    (pairs((1, )), r'num_templates=2, but got 1: template \(3, 1, 3, 32, 32\); set num_templates'),
    (pairs(()), r'num_templates=2, but got 1'),
    (pairs(template=48, masks=(2, 3, 3)), r'template is \(48, 48\) pixels, .* built with template_size=32'),
    (pairs(search=48), r'search is \(48, 48\) pixels, .* built with search_size=64'),
    (pairs(masks=(1, 2, 2)), r'template_mask has shape \(3, 1, 2, 2\), but 2 templates .* need \(B, 2, 2, 2\)'),
    ({key: value for key, value in pairs().items() if key != 'template_mask'}, 'put ct_mm.TemplateMask after'),
])
def test_inputs_that_do_not_fit(inputs, words):
    with pytest.raises(ValueError, match=words):
        MODELS.build(copy.deepcopy(CONFIG))(inputs)


@pytest.mark.parametrize('backbone, words', [
    (dict(template_size=40), 'template_size=40 is not a multiple of 16'),
    (dict(embed_dim=30), 'embed_dim=30 is not a multiple of 4'),
    (dict(num_heads=5), 'num_heads=5 does not divide embed_dim=32'),
])
def test_a_backbone_that_cannot_be(backbone, words):
    with pytest.raises(ValueError, match=words):
        MODELS.build(dict(CONFIG['backbone'], **backbone))


@pytest.mark.parametrize('backbone, words', [
    (dict(template_size=48), 'pos_embed_template'),
    (dict(search_size=96), 'pos_embed_search'),
    (dict(depth=5), 'blocks.4'),
    (dict(stem_depths=(2, 2)), 'stem.blocks1.1'),
])
def test_a_checkpoint_of_another_size_is_named_before_anything_runs(tmp_path, backbone, words):
    config = copy.deepcopy(CONFIG)
    config['backbone'].update(backbone)
    Config(dict(model=config)).dump(tmp_path / 'other.py')
    torch.save(dict(state_dict=CONVERTED.state), tmp_path / 'small.pth')
    with pytest.raises(ValueError, match=rf'(?s)small\.pth.*{words}'):
        init_model(tmp_path / 'other.py', tmp_path / 'small.pth')


def test_the_task_head_is_left_out_if_it_is_not_asked_for():
    tracker = MODELS.build(dict(copy.deepcopy(CONFIG), task_head=None))
    assert tracker.task_head is None and not any('task' in key for key in tracker.state_dict())


def test_the_size_is_clamped_only_where_it_is_asked_for():
    head = dict(type='ct_mm.CenterHead', in_channels=8, feat_size=2, channels=8)
    for clamp, least in ((True, 1e-4), (False, 0.0)):
        built = MODELS.build(dict(head, clamp_size=clamp))
        built.size[-1].bias.data.fill_(-100)
        assert built.eval()(torch.zeros(1, 4, 8))['size_map'].min().item() == pytest.approx(least, abs=1e-9)
