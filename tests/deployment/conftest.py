"""A tracker that is built in no time, and pictures for it."""
import numpy as np
import pytest
import torch
from mmengine.config import Config

from ct_mm.tracking.inference import init_model


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
    """Builds that tracker with random weights and running statistics as after a training."""

    def make(depth=2, seed=0):
        torch.manual_seed(seed)
        tracker = init_model(Config(dict(model=tiny_model(depth))))
        for module in tracker.modules():
            if isinstance(module, torch.nn.BatchNorm2d):
                torch.nn.init.uniform_(module.running_mean, -0.1, 0.1)
                torch.nn.init.uniform_(module.running_var, 0.5, 1.5)
        return tracker

    return make


@pytest.fixture
def image():
    """A frame of noise, RGB uint8 (90, 120, 3)."""
    return np.random.default_rng(0).integers(0, 256, (90, 120, 3), np.uint8)
