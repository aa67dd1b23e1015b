"""The recipe of LoRAT and its students, as configs."""
import copy
import functools
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.optim import build_optim_wrapper
from parity_files import parity_files

import ct_mm
from ct_mm.registry import MODELS

ROOT = Path(__file__).resolve().parents[4]
#: Width, heads, layers, template, search region, area factor, drop path.
VARIANTS = dict(b224=(768, 12, 12, 112, 224, 4.0, 0.0), b378=(768, 12, 12, 196, 378, 5.0, 0.0),
                l224=(1024, 16, 24, 112, 224, 4.0, 0.1), l378=(1024, 16, 24, 196, 378, 5.0, 0.1))
STUDENTS = [('b224', 4), ('b378', 4), ('l224', 6), ('l224', 8), ('l378', 6), ('l378', 8)]
variants = pytest.mark.parametrize('variant', VARIANTS)


def read(name):
    return Config.fromfile(ROOT / 'configs' / 'lorat' / f'lorat_{name}.py')


@functools.cache
def built(name):
    cfg = read(name)
    with torch.device('meta'):
        return MODELS.build((ct_mm.compress(cfg) if 'compress' in cfg else cfg).model)


def millions(parameters):
    return sum(value.numel() for value in parameters) / 1e6


@variants
def test_the_model(variant):
    tracker, (width, heads, depth, template, search, factor, drop_path) = built(variant), VARIANTS[variant]
    backbone, geometry = tracker.backbone, tracker.geometry
    assert (backbone.embed_dim, backbone.blocks[0].attn.num_heads, len(backbone.blocks)) == (width, heads, depth)
    assert (geometry.template_size, geometry.search_size, geometry.template_factor, geometry.search_factor) == (
        template, search, 2.0, factor)
    assert {getattr(block.drop_path, 'drop_prob', 0.0) for block in backbone.blocks} == {drop_path}
    trained = millions(value for value in tracker.parameters() if value.requires_grad)
    assert abs(trained - dict(b=12.985347, l=32.518147)[variant[0]]) < 1e-5, 'the numbers in a released file'


@variants
def test_the_recipe(variant):
    cfg = read(variant)
    assert cfg.optim_wrapper.optimizer == dict(type='AdamW', lr=1e-4, weight_decay=0.1)
    assert cfg.optim_wrapper.clip_grad == dict(max_norm=1.0) and cfg.train_cfg.max_epochs == 170
    data = cfg.train_dataloader.dataset
    assert data.pairs_per_epoch == 131072 and data.ratios == [1, 1, 1, 1] and cfg.train_dataloader.batch_size == 16
    assert {(source.type, source.max_gap) for source in data.sources} == {('ct_mm.NearbyPairs', 100)}
    assert not any('parts' in source.dataset for source in data.sources), 'all of TrackingNet'
    crop, = [step for step in data.pipeline if step['type'] == 'ct_mm.ContextCropPair']
    assert (crop.center_jitter, crop.scale_jitter) == (3.0, 0.25)


@pytest.mark.parametrize('file', parity_files('optim/no_decay'), ids=lambda file: file.stem)
def test_which_weights_decay(file):
    data, cfg = np.load(file), read('b224')
    config = copy.deepcopy(cfg.model)
    config.backbone.update(embed_dim=24, depth=1, num_heads=2, lora_rank=2, init_cfg=None)
    config.head.in_channels = 24
    model = MODELS.build(config)
    wrapper = build_optim_wrapper(model, copy.deepcopy(cfg.optim_wrapper))
    decay = {id(group['params'][0]): group['weight_decay'] for group in wrapper.param_groups}
    for name, parameter in model.named_parameters():
        if not parameter.requires_grad:
            assert id(parameter) not in decay or parameter.grad is None
            continue
        official = name.removeprefix('backbone.').replace('.lora_', '.lora.').replace('.qkv.', '.qkv.q.')
        listed = 'decay' if official in data['optim/decay'] else 'no_decay'
        assert official in data[f'optim/{listed}'], official
        assert decay[id(parameter)] == (0.1 if listed == 'decay' else 0.0), name


@pytest.mark.parametrize('variant, layers', STUDENTS)
def test_the_students(variant, layers):
    name = f'{variant}_{layers}layers'
    lines = [line for line in (ROOT / 'configs' / 'lorat' / f'lorat_{name}.py').read_text().splitlines() if line]
    assert len(lines) <= 10
    model, cfg = built(name), read(name)
    assert cfg.compress.teacher == f'checkpoints/lorat_{variant}.pth'
    assert [stack.place.path for stack in model.divided.stacks] == ['backbone.blocks']
    assert model.divided.plan.num_stages == layers == len(model.divided.student_layers)
    assert model.losses['guidance'].compared == ['cells']
    assert all(value.requires_grad for value in model.student.parameters()), 'no LoRA is left'
    assert abs(millions(model.teacher.parameters()) - dict(b224=88.1, b378=88.5, l224=307.4, l378=307.9)[variant]) < 0.1
