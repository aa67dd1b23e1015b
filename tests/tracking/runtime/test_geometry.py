"""From a prediction to a box in the frame, and what may not come in."""
import numpy as np
import pytest

from ct_mm.tracking.runtime.geometry import check_frame, check_target, clip_xywh, place_box


def test_clip_agrees_with_the_official_rule(reference):
    numbers = reference('crop_and_box_official')
    clipped = clip_xywh(numbers['clip_in'], height=120, width=160, margin=10)
    np.testing.assert_array_equal(clipped, numbers['clip_out_h120_w160_margin10'])
    one = clip_xywh(numbers['clip_in'][1], 120, 160)
    np.testing.assert_array_equal(one, numbers['clip_out_h120_w160_margin10'][1])


def test_clip_hides_no_nan():
    assert np.isnan(clip_xywh(np.array([np.nan, 0, 5, 5]), 100, 100)).any()


def test_a_box_in_the_middle_of_the_search_region_is_where_the_last_one_was():
    around = np.array([100., 60., 40., 20.])
    np.testing.assert_allclose(place_box([0.5, 0.5, 0.4, 0.2], around, 100, (240, 320)), around)
    # A quarter of the region further to the right, twice as wide and high.
    np.testing.assert_allclose(place_box([0.75, 0.5, 0.8, 0.4], around, 100, (240, 320)), [105, 50, 80, 40])


def test_of_a_box_that_leaves_the_frame_ten_pixels_stay():
    box = place_box([0.9, 0.5, 0.2, 0.2], np.array([300., 100., 20., 20.]), 100, (240, 320))
    assert box[0] == 310 and box[2] == 10


@pytest.mark.parametrize('image, found', [
    (np.zeros((4, 4), np.uint8), r'uint8 \(4, 4\)'), (np.zeros((4, 4, 4), np.uint8), r'uint8 \(4, 4, 4\)'),
    (np.zeros((4, 4, 3)), r'float64 \(4, 4, 3\)'), ('frame.jpg', 'not str'), (None, 'not NoneType')])
def test_what_is_no_frame_is_named(image, found):
    with pytest.raises(ValueError, match=f'RGB uint8.*{found}'):
        check_frame(image)


def test_a_frame_of_another_size_says_both_sizes():
    check_frame(np.zeros((30, 40, 3), np.uint8), (30, 40))
    with pytest.raises(ValueError, match='50x30 pixels.*started on 40x30'):
        check_frame(np.zeros((30, 50, 3), np.uint8), (30, 40))


@pytest.mark.parametrize('box, message', [
    ([1, 2, 3], 'four finite numbers'), ([1, 2, float('nan'), 4], 'four finite'), ([[1, 2, 3, 4]], 'four finite'),
    ([1, 2, 0, 4], 'has no area'), ([1, 2, 3, -4], 'has no area'), ([40, 2, 3, 4], 'outside of the 40x30 frame'),
    ([-9, 2, 9, 4], 'outside'), ([1, 30, 3, 4], 'outside'), ([1, -8, 3, 8], 'outside')])
def test_a_first_box_that_cannot_be_followed(box, message):
    with pytest.raises(ValueError, match=message):
        check_target(box, (30, 40))


def test_a_first_box_may_reach_out_of_the_frame():
    assert check_target([-5, -5, 10, 10], (30, 40)).tolist() == [-5, -5, 10, 10]


def test_a_smaller_margin_lets_a_small_target_keep_its_size():
    around = np.array([100., 60., 6., 4.])
    assert place_box([0.5, 0.5, 0.3, 0.2], around, 20, (240, 320))[2:].tolist() == [10, 10]
    np.testing.assert_allclose(place_box([0.5, 0.5, 0.3, 0.2], around, 20, (240, 320), margin=2), around)
