"""A tracker small enough to train in a test, and its teacher."""
import numpy as np
import pytest
import torch
from mmengine.structures import InstanceData

from ct_mm.registry import MODELS
from ct_mm.tracking.structures import TrackDataSample

DEPTH, WIDTH = 6, 32


@pytest.fixture
def tracker_cfg():
    """Config of a 6-layer OSTrack that knows nothing of compression; 4 + 16 tokens."""

    def make(depth=DEPTH, embed_dim=WIDTH, **backbone):
        return dict(
            type='ct_mm.OSTrack',
            backbone=dict(
                type='ct_mm.OneStreamViT', embed_dim=embed_dim, depth=depth, num_heads=2, template_size=32,
                search_size=64, **backbone),
            head=dict(type='ct_mm.CenterHead', in_channels=embed_dim, feat_size=4, channels=16))

    return make


@pytest.fixture
def teacher_file(tmp_path, tracker_cfg):
    """A checkpoint of that tracker whose parameters and statistics are anything but the initial ones."""
    torch.manual_seed(1)
    model = MODELS.build(tracker_cfg())
    for value in model.state_dict().values():
        if value.is_floating_point():
            value.add_(torch.rand_like(value) * 0.1)
    path = tmp_path / 'teacher.pth'
    torch.save(dict(state_dict=model.state_dict(), meta=dict(epoch=3)), path)
    return str(path)


@pytest.fixture
def batch():
    """Normalised inputs of two pairs and their samples."""
    rng = torch.Generator().manual_seed(0)
    inputs = dict(
        template=torch.randn(2, 3, 32, 32, generator=rng), search=torch.randn(2, 3, 64, 64, generator=rng))
    samples = []
    for box in ([10., 12., 40., 50.], [20., 8., 60., 44.]):
        sample = TrackDataSample()
        sample.gt_instances = InstanceData(bboxes=torch.tensor([box]))
        samples.append(sample)
    return inputs, samples


@pytest.fixture
def make_distiller(tracker_cfg, teacher_file):
    """Builds a distiller with its teacher read."""

    def make(num_stages=3, model=None, **kwargs):
        distiller = MODELS.build(
            dict(
                type='ct_mm.ReplacementDistiller',
                model=model or tracker_cfg(),
                teacher=teacher_file,
                num_stages=num_stages,
                **kwargs))
        distiller.init_weights()
        return distiller

    return make


@pytest.fixture
def training_cfg(tracker_cfg, tmp_path):
    """Statements of a whole training config around the tracker, on made-up photographs."""
    import cv2
    images = tmp_path / 'images'
    images.mkdir()
    rng = np.random.default_rng(0)
    for index in range(3):
        photo = cv2.resize(rng.integers(0, 255, (12, 16, 3), np.uint8), (160, 120), interpolation=cv2.INTER_CUBIC)
        segments = np.ones((120, 160), np.uint8)
        for label, (x, y) in enumerate([(20, 20), (70, 30), (110, 60)], start=2):
            cv2.circle(segments, (x + 10, y + 10), 14, label, -1)
        cv2.imwrite(str(images / f'train_{index}.png'), photo)
        cv2.imwrite(str(images / f'train_{index}.jpg'), photo)
        cv2.imwrite(str(images / f'train_{index}_segments.png'), segments)
        (images / f'train_{index}.png').unlink()
    return dict(
        default_scope='mmengine',
        model=tracker_cfg(drop_path_rate=0.2),
        train_dataloader=dict(
            batch_size=4,
            num_workers=0,
            sampler=dict(type='ct_mm.DrawSampler'),
            dataset=dict(
                type='ct_mm.PairDataset',
                pairs_per_epoch=8,
                sources=[
                    dict(
                        type='ct_mm.CompositePairs', canvas=(160, 120), target_size=(12, 40),
                        images=dict(type='ct_mm.SegmentFolder', data_root=str(images)))
                ],
                pipeline=[
                    dict(
                        type='ct_mm.CropPair', template_size=32, search_size=64, center_jitter=1.0,
                        scale_jitter=0.1),
                    dict(type='ct_mm.PackTrackInputs')
                ])),
        optim_wrapper=dict(
            type='OptimWrapper', optimizer=dict(type='AdamW', lr=1e-3), clip_grad=dict(max_norm=0.1)),
        train_cfg=dict(type='EpochBasedTrainLoop', max_epochs=4),
        default_hooks=dict(logger=dict(type='LoggerHook', interval=1)),
        randomness=dict(seed=5))
