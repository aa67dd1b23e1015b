"""A detector of mmdet, trained and compressed by mmdet's own script: encoder and decoder of a DETR."""
import json

import cv2
import numpy as np
import pytest
import torch

CONFIG = """
_base_ = ['mmdet::detr/detr_r50_8xb2-150e_coco.py']
layer = dict(self_attn_cfg=dict(embed_dims=32, num_heads=2), ffn_cfg=dict(embed_dims=32, feedforward_channels=64))
model = dict(
    num_queries=8,
    backbone=dict(depth=18, base_channels=8, init_cfg=None),
    neck=dict(in_channels=[64], out_channels=32),
    encoder=dict(num_layers=4, layer_cfg=layer),
    decoder=dict(num_layers=4, layer_cfg=dict(layer, cross_attn_cfg=dict(embed_dims=32, num_heads=2))),
    positional_encoding=dict(num_feats=16),
    bbox_head=dict(num_classes=2, embed_dims=32),
    test_cfg=dict(max_per_img=8))
load = [dict(type='LoadImageFromFile'), dict(type='LoadAnnotations', with_bbox=True),
        dict(type='Resize', scale=(80, 64))]
data = dict(data_root='coco/', ann_file='boxes.json', data_prefix=dict(img=''), metainfo=dict(classes=('cat', 'dog')))
meta_keys = ('img_id', 'img_path', 'ori_shape', 'img_shape', 'scale_factor')
train_dataloader = dict(
    batch_size=2, num_workers=0, persistent_workers=False,
    dataset=dict(pipeline=[*load, dict(type='PackDetInputs')], **data))
val_dataloader = dict(
    num_workers=0, persistent_workers=False,
    dataset=dict(pipeline=[*load, dict(type='PackDetInputs', meta_keys=meta_keys)], **data))
test_dataloader = val_dataloader
val_evaluator = dict(ann_file='coco/boxes.json')
test_evaluator = val_evaluator
train_cfg = dict(max_epochs=1)
visualizer = dict(name='detr_tiny')
"""

COMPRESSION = """
_base_ = ['./detr_tiny.py']
runner_type = 'ct_mm.CompressRunner'
compress = dict(
    teacher='work_dirs/detr_tiny/epoch_1.pth', layers=['encoder.layers', 'decoder.layers'], num_stages=2,
    predictions=['bbox_head.fc_cls', 'bbox_head.fc_reg'],
    guidance=dict(type='ct_mm.OutputGuidanceLoss', loss=['kl', 'l1']))
visualizer = dict(name='detr_tiny_2layers')
"""

STUDENT = """
import cv2
from mmdet.apis import inference_detector, init_detector
model = init_detector('student.py', 'student.pth', device='cpu')
assert len(model.encoder.layers) == len(model.decoder.layers) == 2
found = inference_detector(model, cv2.imread('coco/0.jpg')).pred_instances
assert len(found) == 8
"""


@pytest.fixture
def folder(tmp_path, need):
    """A folder with four images, their boxes and the configs of a teacher and of its compression."""
    need('mmdet')
    rng = np.random.default_rng(0)
    (tmp_path / 'coco').mkdir()
    images, boxes = [], []
    for index in range(4):
        cv2.imwrite(f'{tmp_path}/coco/{index}.jpg', rng.integers(0, 255, (64, 80, 3), np.uint8))
        images.append(dict(id=index, file_name=f'{index}.jpg', width=80, height=64))
        for category, box in ((1, [8, 8, 24, 30]), (2, [30, 20, 40, 36])):
            boxes.append(dict(id=len(boxes), image_id=index, category_id=category, bbox=box, area=box[2] * box[3],
                              iscrowd=0))
    categories = [dict(id=1, name='cat'), dict(id=2, name='dog')]
    (tmp_path / 'coco' / 'boxes.json').write_text(
        json.dumps(dict(images=images, annotations=boxes, categories=categories)))
    (tmp_path / 'detr_tiny.py').write_text(CONFIG)
    (tmp_path / 'detr_tiny_2layers.py').write_text(COMPRESSION)
    return tmp_path


def test_its_own_script_compresses_encoder_and_decoder_to_a_detector_of_its_own(folder, run_tool, run_without_ct_mm):
    run_tool('mmdet', 'train', 'detr_tiny.py')
    run_tool('mmdet', 'train', 'detr_tiny_2layers.py')
    work_dir = folder / 'work_dirs' / 'detr_tiny_2layers'
    log = next(work_dir.glob('*/*.log')).read_text()
    assert 'loss_mimic: ' in log and 'loss_guidance: ' in log and 'd0.loss_bbox: ' in log and 'coco/bbox_mAP: ' in log
    student = work_dir / 'student'
    assert 'ct_mm' not in (student / 'student.py').read_text()
    teacher, checkpoint = (torch.load(path / 'epoch_1.pth', weights_only=False)
                           for path in (folder / 'work_dirs' / 'detr_tiny', work_dir))
    assert len(checkpoint['state_dict']) < len(teacher['state_dict']), 'the student alone'
    # mmdet's schedule gives a tenth of the rate to whatever has "backbone" in its name: still the backbone, no more
    slow, student_slow = (sum(group['lr'] == pytest.approx(1e-5) for group in saved['optimizer']['param_groups'])
                          for saved in (teacher, checkpoint))
    assert slow == student_slow > 0
    for name in ('student.py', 'student.pth'):
        (student / name).rename(folder / name)
    run_without_ct_mm(STUDENT)
    run_tool('mmdet', 'test', 'student.py', 'student.pth', '--work-dir', 'tested')
    assert 'coco/bbox_mAP: ' in next((folder / 'tested').glob('*/*.log')).read_text()


def test_mim_starts_it(folder, mim):
    mim('train', 'onedl-mmdetection', 'detr_tiny.py')
    assert (folder / 'work_dirs' / 'detr_tiny' / 'epoch_1.pth').exists()


def test_the_example_of_the_docs_is_such_a_config(need, example):
    need('mmdet')
    cfg = example('detr_r50_3layers.py')
    assert cfg.model.type == 'ct_mm.ReplacementDistiller' and cfg.default_scope == 'mmdet'
    assert cfg.model.model.type == 'DETR' and cfg.model.layers == ['encoder.layers', 'decoder.layers']
