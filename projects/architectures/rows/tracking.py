"""Trackers of ct_mm."""
from __future__ import annotations

import torch

from ..row import Case, row


@row('OSTrack', 'ct_mm')
def ostrack() -> Case:
    from mmengine.structures import InstanceData

    from ct_mm.tracking.structures import TrackDataSample
    rng = torch.Generator().manual_seed(0)
    samples = []
    for box in ([10., 12., 40., 50.], [20., 8., 60., 44.], [5., 5., 30., 30.], [16., 20., 50., 60.]):
        sample = TrackDataSample()
        sample.gt_instances = InstanceData(bboxes=torch.tensor([box]))
        inputs = dict(
            template=torch.randint(0, 256, (3, 32, 32), generator=rng, dtype=torch.uint8),
            search=torch.randint(0, 256, (3, 64, 64), generator=rng, dtype=torch.uint8))
        samples.append(dict(inputs=inputs, data_samples=sample))
    model = dict(
        type='ct_mm.OSTrack',
        backbone=dict(
            type='ct_mm.OneStreamViT', embed_dim=32, depth=6, num_heads=2, template_size=32, search_size=64),
        head=dict(type='ct_mm.CenterHead', in_channels=32, feat_size=4, channels=16))
    return Case(model, samples, dict(num_stages=3), source='ct_mm')
