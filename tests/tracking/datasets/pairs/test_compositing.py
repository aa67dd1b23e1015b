"""Painting segments onto a canvas."""
import cv2
import numpy as np
import pytest

from ct_mm.tracking.datasets.pairs.compositing import (
    Cutout,
    Layer,
    behind,
    camera,
    paint,
    placement,
    relight,
    tight_box,
    warp,
)


def disc(radius):
    alpha = np.zeros((2 * radius + 5, 2 * radius + 5), np.uint8)
    cv2.circle(alpha, (radius + 2, radius + 2), radius, 255, -1)
    return Cutout(np.full(alpha.shape + (3, ), 200, np.uint8), alpha)


@pytest.mark.parametrize('scale', [1.5, 0.9, 0.4, 0.13])
def test_a_cutout_is_placed_by_the_matrix(scale):
    cutout = disc(60)
    matrix = placement(cutout.alpha.shape[::-1], (110.0, 100.0), (scale, scale), 0.3)
    x, y, w, h = tight_box(warp(cutout, matrix, (220, 200)))
    # The pixel centred at 110 reaches from 110 to 111 in box coordinates.
    np.testing.assert_allclose([x + w / 2, y + h / 2], [110.5, 100.5], atol=0.51)
    np.testing.assert_allclose([w, h], 121 * scale, atol=2)


def test_a_part_beyond_the_border_is_cut_off():
    cutout = disc(20)
    matrix = placement(cutout.alpha.shape[::-1], (0.0, 50.0), (1, 1), 0.0)
    x, y, w, h = tight_box(warp(cutout, matrix, (100, 100)))
    assert (x, y, w, h) == (0, 30, 21, 41)
    gone = placement(cutout.alpha.shape[::-1], (-80.0, 50.0), (1, 1), 0.0)
    assert warp(cutout, gone, (100, 100)) is None


def test_only_the_region_is_computed_and_nothing_else_painted():
    canvas = np.zeros((100, 100, 3), np.uint8)
    cutout = disc(10)
    layer = warp(cutout, placement(cutout.alpha.shape[::-1], (50.0, 40.0), (1, 1), 0.0), (100, 100))
    assert layer.alpha.size < 1000
    paint(canvas, layer)
    expected = np.zeros((100, 100), np.uint8)
    cv2.circle(expected, (50, 40), 10, 200, -1)
    np.testing.assert_array_equal(canvas[..., 0], expected)


def test_half_transparent_paint_mixes():
    canvas = np.full((4, 4, 3), 100, np.uint8)
    paint(canvas, Layer(1, 1, np.full((2, 2, 3), 200, np.uint8), np.full((2, 2), 51, np.uint8)))
    assert canvas[1, 1, 0] == 120 and canvas[0, 0, 0] == 100


def test_a_layer_is_hidden_by_what_is_in_front():
    front = Layer(2, 2, np.zeros((4, 4, 3), np.uint8), np.full((4, 4), 255, np.uint8))
    back = Layer(0, 0, np.zeros((4, 8, 3), np.uint8), np.full((4, 8), 255, np.uint8))
    alpha = behind(back, front, (10, 10)).alpha
    assert alpha[2:, 2:6].max() == 0
    assert alpha.sum() == 255 * (32 - 8)


def test_a_transparent_layer_has_no_box():
    assert tight_box(Layer(0, 0, np.zeros((4, 4, 3), np.uint8), np.full((4, 4), 127, np.uint8))) is None


def test_light_and_camera_keep_shape_and_use_only_the_given_generator():
    image = np.random.default_rng(0).integers(0, 256, (60, 80, 3), np.uint8)
    changed = 0
    for seed in range(40):
        first, second = (camera(relight(image, rng, 0.7), rng)
                         for rng in (np.random.default_rng(seed), np.random.default_rng(seed)))
        assert first.shape == image.shape and first.dtype == np.uint8
        np.testing.assert_array_equal(first, second)
        changed += not np.array_equal(first, image)
    assert changed == 40
    np.testing.assert_array_equal(relight(image, np.random.default_rng(0), 0.0), image)
