"""A tracker that is built in no time, and sequences made up for it."""
import cv2
import numpy as np
import pytest
import torch
from mmengine.config import Config

from ct_mm.registry import MODELS
from ct_mm.tracking.datasets.benchmarks import SequenceFolder


@pytest.fixture(scope='session')
def tiny_model():
    """Config of an OSTrack with 16 + 64 tokens."""

    def make(depth=2):
        return dict(
            type='ct_mm.OSTrack',
            backbone=dict(
                type='ct_mm.OneStreamViT', embed_dim=32, depth=depth, num_heads=2, template_size=64, search_size=128),
            head=dict(type='ct_mm.CenterHead', in_channels=32, feat_size=8, channels=16))

    return make


@pytest.fixture(scope='session')
def make_tracker(tiny_model):
    """Builds that tracker with random weights."""

    def make(depth=2, seed=0):
        torch.manual_seed(seed)
        return MODELS.build(tiny_model(depth)).eval()

    return make


@pytest.fixture
def tracker_files(tmp_path, tiny_model, make_tracker):
    """Writes config and checkpoint of that tracker and returns their paths."""

    def make(name='tiny', depth=2, seed=0):
        config, checkpoint = tmp_path / f'{name}.py', tmp_path / f'{name}.pth'
        Config(dict(model=tiny_model(depth))).dump(config)
        torch.save(dict(state_dict=make_tracker(depth, seed).state_dict(), meta=dict(epoch=1)), checkpoint)
        return str(config), str(checkpoint)

    return make


@pytest.fixture
def data_root(tmp_path):
    """A folder with two sequences of a bright square that walks: 6 frames, and 4 with the last one hidden."""
    root = tmp_path / 'sequences'
    ground = np.random.default_rng(0).integers(0, 120, (121, 161, 3), np.uint8)
    for name, frames in (('left', 6), ('right', 4)):
        (root / name).mkdir(parents=True)
        boxes = [(60 + (5 * i if name == 'right' else -5 * i), 40 + 2 * i, 30, 24) for i in range(frames)]
        for i, (x, y, w, h) in enumerate(boxes):
            image = ground.copy()
            cv2.rectangle(image, (x, y), (x + w - 1, y + h - 1), (40, 200, 250), -1)
            cv2.imwrite(str(root / name / f'{i + 1:08d}.png'), image)
        lines = [','.join(map(str, box)) for box in boxes]
        if name == 'right':
            lines[-1] = 'nan,nan,nan,nan'
        (root / name / 'groundtruth.txt').write_text('\n'.join(lines))
    return root


@pytest.fixture
def sequences(data_root):
    """Those sequences."""
    dataset = SequenceFolder(data_root)
    return [dataset.get_sequence(index) for index in range(len(dataset))]
