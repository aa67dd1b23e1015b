"""A classifier of mmpretrain, trained and compressed by mmpretrain's own script."""
import copy
import json

import cv2
import numpy as np
import pytest
import torch

CONFIG = """
_base_ = [
    'mmpretrain::_base_/models/vit-base-p16.py', 'mmpretrain::_base_/datasets/imagenet_bs64_pil_resize.py',
    'mmpretrain::_base_/schedules/imagenet_bs4096_AdamW.py', 'mmpretrain::_base_/default_runtime.py'
]
model = dict(
    backbone=dict(
        arch=dict(_delete_=True, embed_dims=32, num_layers=4, num_heads=2, feedforward_channels=64), img_size=32,
        patch_size=8),
    head=dict(in_channels=32, num_classes=2, topk=(1, )),
    train_cfg=dict(augments=dict(type='Mixup', alpha=0.2)))
data_preprocessor = dict(num_classes=2)
images = dict(
    type='CustomDataset', data_root='images',
    pipeline=[dict(type='LoadImageFromFile'), dict(type='Resize', scale=(32, 32)), dict(type='PackInputs')])
train_dataloader = dict(batch_size=4, num_workers=0, persistent_workers=False, dataset=dict(_delete_=True, **images))
val_dataloader = dict(batch_size=4, num_workers=0, persistent_workers=False, dataset=dict(_delete_=True, **images))
test_dataloader = val_dataloader
val_evaluator = dict(topk=(1, ))
test_evaluator = val_evaluator
train_cfg = dict(max_epochs=1)
"""

COMPRESSION = """
_base_ = ['./vit_tiny.py']
runner_type = 'ct_mm.CompressRunner'
compress = dict(
    teacher='work_dirs/vit_tiny/epoch_1.pth', num_stages=2, predictions='head.layers.head',
    guidance=dict(type='ct_mm.OutputGuidanceLoss', loss='kl', temperature=2.0))
"""

STUDENT = """
import torch
from mmpretrain import get_model
model = get_model('student.py', pretrained='student.pth', device='cpu')
assert len(model.backbone.layers) == 2
with torch.no_grad():
    torch.save(model(torch.load('inputs.pt'), mode='tensor'), 'outputs.pt')
"""


@pytest.fixture
def folder(tmp_path, need):
    """A folder with two classes of images and the configs of a teacher and of its compression."""
    need('mmpretrain')
    rng = np.random.default_rng(0)
    for name in ('cat', 'dog'):
        (tmp_path / 'images' / name).mkdir(parents=True)
        for index in range(4):
            cv2.imwrite(f'{tmp_path}/images/{name}/{index}.png', rng.integers(0, 255, (40, 48, 3), np.uint8))
    (tmp_path / 'vit_tiny.py').write_text(CONFIG)
    (tmp_path / 'vit_tiny_2layers.py').write_text(COMPRESSION)
    return tmp_path


def test_its_own_script_compresses_a_classifier_to_one_of_its_own(folder, run_tool, run_without_ct_mm):
    run_tool('mmpretrain', 'train', 'vit_tiny.py')
    run_tool('mmpretrain', 'train', 'vit_tiny_2layers.py')
    work_dir = folder / 'work_dirs' / 'vit_tiny_2layers'
    log = next(work_dir.glob('*/*.log')).read_text()
    assert 'loss_mimic: ' in log and 'loss_guidance: ' in log and 'accuracy/top1: ' in log
    student = work_dir / 'student'
    assert 'ct_mm' not in (student / 'student.py').read_text()
    weights = torch.load(student / 'student.pth', weights_only=True)['state_dict']
    checkpoint = torch.load(work_dir / 'epoch_1.pth', weights_only=False)['state_dict']
    assert len(weights) == len(checkpoint), 'the teacher is in neither'
    torch.save(torch.rand(2, 3, 32, 32), folder / 'inputs.pt')
    for name in ('student.py', 'student.pth'):
        (student / name).rename(folder / name)
    run_without_ct_mm(STUDENT)
    assert torch.load(folder / 'outputs.pt', weights_only=True).shape == (2, 2)
    # its own test script, on the exported student
    run_tool('mmpretrain', 'test', 'student.py', 'student.pth', '--work-dir', 'tested')
    assert 'accuracy/top1: ' in next((folder / 'tested').glob('*/*.log')).read_text()
    # test-time augmentation goes around the student of a compression, and around the exported one
    for config, weights in (('vit_tiny_2layers.py', work_dir / 'epoch_1.pth'), ('student.py', 'student.pth')):
        run_tool('mmpretrain', 'test', config, str(weights), '--tta', '--work-dir', f'augmented_{config}')
    scores = [next((folder / f'augmented_{config}').glob('*/*.json')).read_text()
              for config in ('vit_tiny_2layers.py', 'student.py')]
    one, other = (json.loads(text)['accuracy/top1'] for text in scores)
    assert one == other


def test_mim_starts_it(folder, mim):
    mim('train', 'mmpretrain', 'vit_tiny.py')
    assert (folder / 'work_dirs' / 'vit_tiny' / 'epoch_1.pth').exists()


def test_the_example_of_the_docs_is_such_a_config(need, example):
    need('mmpretrain')
    cfg = example('vit-base_4layers.py')
    assert cfg.model.type == 'ct_mm.ReplacementDistiller' and cfg.default_scope == 'mmpretrain'
    assert cfg.model.model.backbone.arch == 'b' and cfg.model.model.data_preprocessor.num_classes == 1000
    assert cfg.model.num_stages == 4


VIT = dict(type='VisionTransformer', img_size=32, patch_size=16)
SWIN = dict(type='SwinTransformer', img_size=64, window_size=2)


@pytest.mark.parametrize(('backbone', 'compress', 'expected'), [
    (dict(VIT, arch='deit-tiny'), dict(num_stages=4), dict(num_layers=4)),
    (dict(VIT, arch='deit-small'), dict(num_stages=3), dict(num_layers=3)),
    pytest.param(dict(VIT, arch='b'), dict(num_stages=4), dict(num_layers=4), marks=pytest.mark.slow),
    (dict(SWIN, arch='tiny'), dict(layers='backbone.stages.2.blocks', stage_sizes=[3, 3]), dict(depths=[2, 2, 2, 2])),
    (dict(SWIN, arch='Tiny'), dict(layers='backbone', stage_sizes=[[1, 1], [1, 1], [3, 3], [1, 1]]),
     dict(depths=[2, 2, 2, 2])),
    (dict(type='ConvNeXt', arch='atto'), dict(layers='backbone.stages.2', num_stages=2), dict(depths=[2, 2, 2, 2])),
], ids=lambda value: value.get('arch') if isinstance(value, dict) else None)
def test_presets_are_exported_as_their_own_class(backbone, compress, expected, need, tmp_path):
    need('mmpretrain')
    from mmengine.registry import init_default_scope

    from ct_mm.compression.export.student import export_student
    from ct_mm.registry import MODELS
    init_default_scope('mmpretrain')
    model = dict(type='ImageClassifier', backbone=backbone)
    torch.save(dict(state_dict=MODELS.build(copy.deepcopy(model)).state_dict()), tmp_path / 'teacher.pth')
    distiller = MODELS.build(dict(
        type='ct_mm.ReplacementDistiller', model=copy.deepcopy(model), teacher=str(tmp_path / 'teacher.pth'),
        guidance=None, **compress))
    distiller.init_weights()
    side = backbone.get('img_size', 64)
    student = export_student(distiller, model, dict(inputs=torch.rand(1, 3, side, side)))
    assert student.form == 'plain', student.reason
    assert student.config.type == 'ImageClassifier' and 'ct_mm' not in str(student.config)
    assert {key: student.config.backbone.arch[key] for key in expected} == expected
