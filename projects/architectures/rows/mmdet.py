"""Detectors of mmdet, from its own configs, narrowed."""
from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from ..row import Case, row

SIDE, CLASSES, WIDTH = 64, 3, 32
#: What a config calls a width, and how much is left of it.
NARROW = dict(
    embed_dims=WIDTH, num_heads=2, feedforward_channels=2 * WIDTH, num_feats=WIDTH // 2, feat_channels=WIDTH,
    out_channels=WIDTH, num_queries=8, num_classes=CLASSES, num_things_classes=CLASSES, num_points=4,
    max_per_img=8, max_per_image=8)


def photographs(count: int = 2, masks: bool = False) -> list[dict]:
    """Noise with two objects each, as mmdet packs them: uint8, (3, side, side)."""
    import numpy as np
    from mmdet.structures import DetDataSample
    from mmdet.structures.bbox import HorizontalBoxes
    from mmdet.structures.mask import BitmapMasks
    from mmengine.structures import InstanceData
    rng = torch.Generator().manual_seed(0)
    samples = []
    for index in range(count):
        boxes = torch.tensor([[8., 8., 30., 40.], [20., 24., 60., 56.]]) + index
        instances = InstanceData(bboxes=HorizontalBoxes(boxes), labels=torch.tensor([0, 2]))
        if masks:
            maps = np.zeros((2, SIDE, SIDE), np.uint8)
            for drawn, (left, top, right, bottom) in zip(maps, boxes.int().tolist()):
                drawn[top:bottom, left:right] = 1
            instances.masks = BitmapMasks(maps, SIDE, SIDE)
        shape = (SIDE, SIDE)
        sample = DetDataSample(
            gt_instances=instances,
            metainfo=dict(img_shape=shape, ori_shape=shape, pad_shape=shape, batch_input_shape=shape,
                          scale_factor=(1., 1.), img_id=index, flip=False))
        samples.append(
            dict(inputs=torch.randint(0, 256, (3, *shape), generator=rng, dtype=torch.uint8), data_samples=sample))
    return samples


def narrowed(config: Any) -> Any:
    """A config with every width of ``NARROW`` in place of its own."""
    if isinstance(config, dict):
        return {key: NARROW[key] if key in NARROW and isinstance(value, int) else narrowed(value)
                for key, value in config.items()}
    return [narrowed(value) for value in config] if isinstance(config, (list, tuple)) else config


def detector(config: str, backbone: dict | None = None, masks: bool = False, note: str = '', **compress: Any) -> Case:
    """A detector of mmdet's.

    Args:
        config: Path in mmdet's configs.
        backbone: What is different in its backbone; a ResNet-18 of 8 to 64 channels if not given.
        masks: Whether it learns from masks.
        note: See :class:`Case`.
        **compress: Of the config.
    """
    import mmdet
    from mmengine.config import Config, ConfigDict
    model = Config.fromfile(Path(mmdet.__file__).parent / '.mim' / 'configs' / config).model.to_dict()
    model = ConfigDict(narrowed(model))  # mmdet reads its configs as attributes
    model.backbone.update(backbone or dict(depth=18, base_channels=8), init_cfg=None)
    model.data_preprocessor.pop('batch_augments', None)
    return Case(model, photographs(masks=masks), dict(num_stages=3) | compress, 'mmdet', 'mmdet', mode='predict',
                mimic_weight=100.0, note=note)  # beside 20 losses of 6 layers


@row('DETR', 'mmdet')
def detr() -> Case:
    case = detector('detr/detr_r50_8xb2-150e_coco.py', layers=['encoder.layers', 'decoder.layers'])
    case.model.neck.in_channels = [64]
    return case


@row('Deformable DETR', 'mmdet')
def deformable_detr() -> Case:
    case = detector(
        'deformable_detr/deformable-detr_r50_16xb2-50e_coco.py', layers=['encoder.layers', 'decoder.layers'])
    case.model.neck.update(in_channels=[16, 32, 64], norm_cfg=dict(type='GN', num_groups=4))
    case.model.bbox_head.embed_dims = WIDTH
    return case


@row('DINO', 'mmdet')
def dino() -> Case:
    case = detector(
        'dino/dino-4scale_r50_8xb2-12e_coco.py', layers='encoder.layers',
        note='The encoder alone: in training DINO gives its decoder denoising queries that the teacher, which runs in '
             'eval mode, does not have, so their tokens cannot be compared.')
    case.model.neck.update(in_channels=[16, 32, 64], norm_cfg=dict(type='GN', num_groups=4))
    case.model.bbox_head.embed_dims = WIDTH
    return case


@row('Mask2Former, Swin', 'mmdet')
def mask2former() -> Case:
    case = detector(
        'mask2former/mask2former_swin-t-p4-w7-224_8xb2-lsj-50e_coco.py',
        dict(embed_dims=16, num_heads=[1, 2, 2, 4]), masks=True,
        layers=['backbone.stages.2.blocks', 'panoptic_head.pixel_decoder.encoder.layers',
                'panoptic_head.transformer_decoder.layers'], num_stages=None,
        stage_sizes=[[3, 3], [2, 2, 2], [1, 4, 4]],
        note='The head gives decoder layer i the feature level i mod 3, so the stages end at layers 0, 4 and 8, where '
             'the student has its layers 0, 1 and 2.')
    head = case.model.panoptic_head
    head.in_channels = [16, 32, 64, 128]
    head.pixel_decoder.norm_cfg.num_groups = 4
    head.loss_cls.class_weight = [1.0] * CLASSES + [0.1]
    return case
