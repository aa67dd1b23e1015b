"""Classifiers of mmpretrain."""
from __future__ import annotations

from typing import Any

import torch

from ..row import Case, row

SIDE, CLASSES, WIDTH = 32, 5, 32
#: A plain ViT, small.
TINY = dict(embed_dims=WIDTH, num_layers=6, num_heads=2, feedforward_channels=2 * WIDTH)
#: How its images are cut.
PATCHES = dict(img_size=SIDE, patch_size=8)


def photographs(side: int, count: int = 4) -> list[dict]:
    """Noise in the place of photographs, as mmpretrain packs them: uint8, (3, side, side), with a label."""
    from mmpretrain.structures import DataSample
    rng = torch.Generator().manual_seed(0)
    return [
        dict(
            inputs=torch.randint(0, 256, (3, side, side), generator=rng, dtype=torch.uint8),
            data_samples=DataSample().set_gt_label(index % CLASSES)) for index in range(count)
    ]


def classifier(backbone: dict, head: dict | None = None, neck: dict | None = None, side: int = SIDE, note: str = '',
               **compress: Any) -> Case:
    """A classifier around a backbone; ``head`` is that of a ViT if not given."""
    head = head or dict(type='VisionTransformerClsHead', in_channels=WIDTH)
    model = dict(type='ImageClassifier', backbone=backbone, neck=neck, head=dict(head, num_classes=CLASSES))
    preprocessor = dict(num_classes=CLASSES, mean=[123.675, 116.28, 103.53], std=[58.395, 57.12, 57.375])
    return Case(model, photographs(side), dict(num_stages=3) | compress, 'mmpretrain', 'mmpretrain', preprocessor,
                note=note)


def linear_head(channels: int = WIDTH) -> dict:
    """A head for pooled features."""
    return dict(type='LinearClsHead', in_channels=channels)


@row('ViT', 'mmpretrain')
def vit() -> Case:
    return classifier(dict(type='VisionTransformer', arch=TINY, **PATCHES))


@row('DeiT-III', 'mmpretrain')
def deit3() -> Case:
    return classifier(dict(type='DeiT3', arch=TINY, **PATCHES))


@row('BEiT', 'mmpretrain')
def beit() -> Case:
    return classifier(
        dict(type='BEiTViT', arch=TINY, out_type='avg_featmap', use_abs_pos_emb=False, **PATCHES), linear_head())


@row('EVA-02', 'mmpretrain')
def eva02() -> Case:
    return classifier(dict(type='ViTEVA02', arch=TINY, sub_ln=True, out_type='avg_featmap', **PATCHES), linear_head())


@row('T2T-ViT', 'mmpretrain')
def t2t() -> Case:
    return classifier(
        dict(type='T2T_ViT', img_size=64, embed_dims=WIDTH, num_layers=6, t2t_cfg=dict(token_dims=16),
             layer_cfgs=dict(num_heads=2, feedforward_channels=64)), side=64)


@row('XCiT', 'mmpretrain')
def xcit() -> Case:
    return classifier(
        dict(type='XCiT', embed_dims=WIDTH, depth=6, num_heads=2, mlp_ratio=2, layer_scale_init_value=1.0, **PATCHES),
        linear_head(), layers='backbone.xca_layers')


@row('MLP-Mixer', 'mmpretrain')
def mixer() -> Case:
    arch = dict(embed_dims=WIDTH, num_layers=6, tokens_mlp_dims=16, channels_mlp_dims=64)
    neck = dict(type='GlobalAveragePooling', dim=1)
    return classifier(dict(type='MlpMixer', arch=arch, **PATCHES), linear_head(), neck)


@row('ViT of timm in TimmClassifier', 'mmpretrain', 'timm')
def timm_classifier() -> Case:
    case = classifier({})
    case.source = 'mmpretrain, timm'
    case.model = dict(
        type='TimmClassifier', model_name='vit_tiny_patch16_224', embed_dim=WIDTH, depth=6, num_heads=2,
        num_classes=CLASSES, loss=dict(type='CrossEntropyLoss'), **PATCHES)
    return case


def hierarchical(backbone: dict, neck: dict | None = None, more: dict | None = None, **compress: Any) -> Case:
    """A classifier of 64 px whose backbone has 2, 2, 6 and 2 blocks at four widths."""
    arch = dict(embed_dims=16, depths=[2, 2, 6, 2], num_heads=[1, 2, 2, 4]) | (more or {})
    return classifier(dict(backbone, arch=arch, img_size=64), linear_head(128), neck, 64, **compress)


@row('Swin', 'mmpretrain')
def swin() -> Case:
    return hierarchical(
        dict(type='SwinTransformer', window_size=2), dict(type='GlobalAveragePooling'), num_stages=2,
        note='The whole backbone: two stages in each run of blocks of one width.')


@row('Swin V2', 'mmpretrain')
def swin_v2() -> Case:
    return hierarchical(
        dict(type='SwinTransformerV2', window_size=[4, 4, 4, 2], pad_small_map=True),
        dict(type='GlobalAveragePooling'), dict(extra_norm_every_n_blocks=0), layers='backbone.stages.2.blocks',
        num_stages=2)


@row('MixMIM', 'mmpretrain')
def mixmim() -> Case:
    return hierarchical(
        dict(type='MixMIMTransformer', window_size=[4, 4, 4, 2]), layers='backbone.layers.2.blocks', num_stages=2)


@row('HiViT', 'mmpretrain')
def hivit() -> Case:
    return classifier(
        dict(type='HiViT', arch=dict(embed_dims=64, depths=[1, 1, 14], num_heads=2), img_size=64, out_indices=[13]),
        linear_head(64), dict(type='GlobalAveragePooling'), 64, layers='backbone.blocks[6:20]', num_stages=7,
        note='HiViT selects its output by the index of its last main block, counting the six entries of the stem '
             'too: a plain HiViT with fewer than seven main blocks fails.')
