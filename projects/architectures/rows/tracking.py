"""Trackers of ct_mm."""
from __future__ import annotations

from typing import Any

import torch

from ..row import Case, row


def pairs(templates: tuple[int, ...] = ()) -> list[dict]:
    """Noise with a box in it, as training pairs; ``templates`` is the number of templates, if there are several."""
    from mmengine.structures import InstanceData

    from ct_mm.tracking.structures import TrackDataSample
    rng = torch.Generator().manual_seed(0)
    samples = []
    for box in ([10., 12., 40., 50.], [20., 8., 60., 44.], [5., 5., 30., 30.], [16., 20., 50., 60.]):
        inputs = {name: torch.randint(0, 256, shape, generator=rng, dtype=torch.uint8)
                  for name, shape in (('template', (*templates, 3, 32, 32)), ('search', (3, 64, 64)))}
        sample = TrackDataSample()
        sample.gt_instances = InstanceData(bboxes=torch.tensor([box]))
        samples.append(dict(inputs=inputs, data_samples=sample))
    return samples


def tracker(**backbone: Any) -> Case:
    """An OSTrack."""
    size = dict(embed_dim=32, depth=6, num_heads=2, template_size=32, search_size=64)
    model = dict(
        type='ct_mm.OSTrack', backbone=dict(type='ct_mm.OneStreamViT', **size, **backbone),
        head=dict(type='ct_mm.CenterHead', in_channels=32, feat_size=4, channels=16))
    return Case(model, pairs(), dict(num_stages=3), source='ct_mm')


@row('OSTrack', 'ct_mm')
def ostrack() -> Case:
    return tracker()


@row('OSTrack with candidate elimination', 'ct_mm')
def ostrack_ce() -> Case:
    return tracker(ce_layers=(1, 3), ce_keep_ratio=0.7)


@row('SUTrack', 'ct_mm')
def sutrack() -> Case:
    samples, rng = pairs((2, )), torch.Generator().manual_seed(1)
    for sample in samples:
        sample['inputs']['template_mask'] = torch.rand(2, 2, 2, generator=rng)
    model = dict(
        type='ct_mm.SUTrack',
        backbone=dict(
            type='ct_mm.FastITPN', embed_dim=32, depth=6, num_heads=2, stem_depths=(2, 2), template_size=32,
            search_size=64),
        head=dict(type='ct_mm.CenterHead', in_channels=32, feat_size=4, channels=16, clamp_size=True),
        task_head=dict(type='ct_mm.TaskHead', in_channels=32, channels=32))
    return Case(model, samples, dict(num_stages=3), source='ct_mm')


@row('MixFormerV2', 'ct_mm')
def mixformerv2() -> Case:
    model = dict(
        type='ct_mm.MixFormerV2',
        backbone=dict(
            type='ct_mm.MixFormerV2ViT', embed_dim=32, depth=6, num_heads=2, template_size=32, search_size=64),
        head=dict(type='ct_mm.DistributionHead', in_channels=32, bins=16))
    return Case(model, pairs((2, )), dict(num_stages=3), source='ct_mm')


@row('LoRAT', 'ct_mm')
def lorat() -> Case:
    samples, rng = pairs(), torch.Generator().manual_seed(1)
    for sample in samples:
        inputs = sample['inputs']
        inputs['template'], inputs['search'] = inputs['template'][:, :28, :28], inputs['search'][:, :56, :56]
        inputs['template_mask'] = torch.randint(0, 2, (1, 2, 2), generator=rng).float()
    model = dict(
        type='ct_mm.LoRAT',
        backbone=dict(
            type='ct_mm.OneStreamDINOv2', embed_dim=32, depth=6, num_heads=2, template_size=28, search_size=56),
        head=dict(type='ct_mm.LoRATHead', in_channels=32, feat_size=4))
    return Case(model, samples, dict(num_stages=3), source='ct_mm')
