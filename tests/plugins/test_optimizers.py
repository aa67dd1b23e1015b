"""Every optimizer constructor of mmpretrain, mmdet, mmseg and MMEngine sees the plain model in a compression."""
import pytest
from mmengine.registry import OPTIM_WRAPPER_CONSTRUCTORS
from optimizer_settings import plain_and_compressed

ADAMW = dict(type='AdamW', lr=1e-3, weight_decay=0.05)
VIT = dict(embed_dims=32, num_layers=4, num_heads=2, feedforward_channels=64)
HIERARCHY = dict(embed_dims=16, depths=[2, 2, 6, 2], num_heads=[1, 2, 2, 4])
CONVNEXT = dict(type='ConvNeXt', arch=dict(depths=[1, 1, 6, 1], channels=[8, 16, 32, 64]))
#: Backbone, width of its output, and what is divided.
BACKBONES = {
    'ViT': (dict(type='VisionTransformer', arch=VIT, img_size=32, patch_size=8, out_type='avg_featmap'), 32,
            dict(num_stages=2)),
    'BEiT': (dict(type='BEiTViT', arch=VIT, img_size=32, patch_size=8, out_type='avg_featmap', use_abs_pos_emb=False,
                  use_rel_pos_bias=True), 32, dict(num_stages=2)),
    'Swin': (dict(type='SwinTransformer', arch=HIERARCHY, img_size=64, window_size=2), 128,
             dict(layers='backbone.stages.2.blocks', stage_sizes=[3, 3])),
    'MixMIM': (dict(type='MixMIMTransformer', arch=HIERARCHY, img_size=64, window_size=[4, 4, 4, 2]), 128,
               dict(layers='backbone.layers.2.blocks', num_stages=2)),
    'ConvNeXt': (CONVNEXT, 64, dict(layers='backbone.stages.2', num_stages=3)),
}


def classifier(backbone):
    kind, channels, compress = BACKBONES[backbone]
    head = dict(type='LinearClsHead', num_classes=3, in_channels=channels)
    return dict(type='ImageClassifier', backbone=dict(kind), head=head), compress


def by_layer(constructor, num_layers=6, decay_type='layer_wise', **more):
    return dict(constructor=constructor, paramwise_cfg=dict(
        num_layers=num_layers, decay_rate=0.7, layer_decay_rate=0.7, decay_type=decay_type, **more))


PRETRAIN = dict(constructor='LearningRateDecayOptimWrapperConstructor', paramwise_cfg=dict(
    layer_decay_rate=0.65, flat_decay_mult=0.0, custom_keys={'.ln': dict(decay_mult=0.0)}))
CASES = [
    *(('mmpretrain', backbone, PRETRAIN) for backbone in BACKBONES),
    ('mmpretrain', 'ViT', dict(paramwise_cfg=dict(norm_decay_mult=0.0, custom_keys={
        'layers.3.attn': dict(lr_mult=0.5), '.cls_token': dict(decay_mult=0.0)}))),
    ('mmpretrain', 'ConvNeXt', dict(constructor='DefaultOptimWrapperConstructor', paramwise_cfg=dict(
        dwconv_decay_mult=0.0, bias_lr_mult=2.0, bias_decay_mult=0.5, bypass_duplicate=True))),
    ('mmdet', 'ConvNeXt', by_layer('mmdet.LearningRateDecayOptimizerConstructor')),
    ('mmdet', 'ConvNeXt', by_layer('mmdet.LearningRateDecayOptimizerConstructor', decay_type='stage_wise')),
    ('mmseg', 'ConvNeXt', by_layer('mmseg.LearningRateDecayOptimizerConstructor')),
    ('mmseg', 'ConvNeXt', by_layer('mmseg.LearningRateDecayOptimizerConstructor', decay_type='stage_wise')),
    ('mmseg', 'BEiT', by_layer('mmseg.LayerDecayOptimizerConstructor', num_layers=4)),
    ('mmseg', 'ViT', dict(constructor='mmseg.ForceDefaultOptimWrapperConstructor', paramwise_cfg=dict(
        norm_decay_mult=0.0, bias_decay_mult=0.0, force_default_settings=True,
        custom_keys={'backbone': dict(lr_mult=0.1)}))),
]


@pytest.mark.parametrize(('library', 'backbone', 'wrapper'), CASES, ids=[
    f'{library}-{backbone}-{wrapper.get("constructor", "default")}-{place}'
    for place, (library, backbone, wrapper) in enumerate(CASES)])
def test_every_setting_is_that_of_the_plain_training(library, backbone, wrapper, need, tmp_path):
    need('mmpretrain', library)
    if library != 'mmpretrain':
        __import__(f'{library}.engine')
    model, compress = classifier(backbone)
    wrapper = dict(optimizer=ADAMW, **wrapper)
    plain, compressed, runner = plain_and_compressed(model, wrapper, tmp_path, 'mmpretrain', **compress)
    assert compressed == {name: plain[name] for name in compressed}
    trained = [parameter for parameter in runner.model.parameters() if parameter.requires_grad]
    assert len(compressed) == len(trained) < len(plain)
    decayed = 'Decay' in wrapper.get('constructor', '')
    assert len({group['lr'] for group in compressed.values()}) > (2 if decayed else 0)
    assert len({(group['lr'], group['weight_decay']) for group in compressed.values()}) > 1


def test_no_constructor_of_mmpretrain_mmdet_and_mmseg_is_left_out(need):
    need('mmpretrain', 'mmdet', 'mmseg')
    tried = {wrapper.get('constructor', 'DefaultOptimWrapperConstructor').rpartition('.')[2] for *_, wrapper in CASES}
    there = set(OPTIM_WRAPPER_CONSTRUCTORS.module_dict)
    for library in ('mmpretrain', 'mmdet', 'mmseg'):
        __import__(f'{library}.engine')
        there |= set(__import__(f'{library}.registry').registry.OPTIM_WRAPPER_CONSTRUCTORS.module_dict)
    ours = {'DecayByDepth'}  # another test's
    assert there - ours == tried
