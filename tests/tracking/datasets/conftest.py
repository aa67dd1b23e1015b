"""Tiny photographs for the tests of composites."""
import cv2
import numpy as np
import pytest

from ct_mm.registry import DATASETS

GREEN = (0, 255, 0)


@pytest.fixture
def photo_folder(tmp_path):
    """Two grey photographs of 160x120; ``train_a`` shows a green ellipse, which is its segment 2; ``train_b`` nothing.

    A pixel of any composite is green to the degree that the target covers it: green minus red = 255 * coverage.
    """
    folder = tmp_path / 'photos'
    folder.mkdir()
    for name, has_target in (('train_a', True), ('train_b', False)):
        image, labels = np.full((120, 160, 3), 100, np.uint8), np.ones((120, 160), np.uint8)
        if has_target:
            cv2.ellipse(image, (70, 60), (30, 18), 20, 0, 360, GREEN, -1)
            cv2.ellipse(labels, (70, 60), (30, 18), 20, 0, 360, 2, -1)
        cv2.imwrite(str(folder / f'{name}.png'), image[..., ::-1])
        cv2.imwrite(str(folder / f'{name}_segments.png'), labels)
    return folder


@pytest.fixture
def composites(photo_folder):
    """Config of pairs from ``photo_folder`` on a canvas of 160x120; keyword arguments change it."""

    def config(**kwargs):
        images = dict(type='ct_mm.SegmentFolder', data_root=str(photo_folder), suffix='.png', min_texture=0)
        return dict(dict(type='ct_mm.CompositePairs', images=images, canvas=(160, 120), target_size=(20, 60)), **kwargs)

    return config


@pytest.fixture
def toy_source():
    """Registers a class of source under its name for the time of one test, and gives the config for it."""
    registered = []

    def register(cls):
        DATASETS.register_module(module=cls)
        registered.append(cls.__name__)
        return dict(type=f'ct_mm.{cls.__name__}')

    yield register
    for name in registered:
        DATASETS.module_dict.pop(name)
