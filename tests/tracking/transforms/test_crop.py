"""The crop arithmetic against the released code."""
import numpy as np
import pytest

from ct_mm.tracking.transforms.crop import box_from_crop, box_to_crop, crop_image


@pytest.mark.parametrize('index', range(5))
@pytest.mark.parametrize('factor, size', [(2, 64), (4, 128)])
def test_crop_equals_the_released_code_bit_for_bit(reference, index, factor, size):
    data = reference('crop_and_box_official')
    crop, resize_factor = crop_image(data['image'], data['boxes_xywh'][index], factor, size)
    assert crop.dtype == np.uint8
    np.testing.assert_array_equal(crop, data[f'crop_{index}_x{factor}'])
    assert resize_factor == data[f'resize_factor_{index}_x{factor}']


def test_box_to_crop_equals_the_released_code(reference):
    data = reference('crop_and_box_official')
    box = box_to_crop(
        data['box_to_crop/in'], data['box_to_crop/extract'], float(data['box_to_crop/resize_factor']), 128)
    np.testing.assert_allclose(box / 128, data['box_to_crop/out_normalized'], rtol=1e-6)


def test_box_from_crop_is_the_inverse():
    boxes = np.array([[3., 5., 20., 11.], [-8., 40.25, 3., 90.]])
    extract = np.array([10., 20., 31., 17.])
    there = box_to_crop(boxes, extract, 1.37, 128)
    assert not np.allclose(there, boxes)
    np.testing.assert_allclose(box_from_crop(there, extract, 1.37, 128), boxes, atol=1e-9)


@pytest.mark.parametrize('box', [[500, 10, 20, 20], [-500, 10, 20, 20], [20, 900, 20, 20], [20, -900, 20, 20]])
def test_a_box_far_outside_gives_a_black_crop(box):
    image = np.full((48, 64, 3), 255, np.uint8)
    crop, _ = crop_image(image, box, 4.0, 32)
    assert crop.shape == (32, 32, 3)
    assert crop.max() == 0


@pytest.mark.parametrize('box', [[4, 4, 0, 9], [4, 4, 9, -1], [4, 4, 0.4, 9], [4, float('nan'), 9, 9]])
def test_a_box_without_area_is_an_error_that_shows_the_box(box):
    with pytest.raises(ValueError, match=r'cannot crop around the box \[4, .*xywh'):
        crop_image(np.zeros((48, 64, 3), np.uint8), box, 4.0, 32)
