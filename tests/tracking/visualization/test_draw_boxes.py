import numpy as np
import pytest

from ct_mm.tracking.visualization import add_legend, choose_colors, draw_boxes

GREY = np.full((100, 120, 3), 128, np.uint8)


def test_colours_depend_on_the_place_only_and_the_annotation_is_white():
    names = ['teacher', 'annotation', 'student']
    colors = choose_colors(names)
    assert colors['annotation'] == (255, 255, 255)
    assert colors == {**choose_colors(['teacher', 'student'])}
    assert len(set(choose_colors('abcdefg').values())) == 8


def test_the_edges_lie_on_the_box_and_the_rest_is_untouched():
    drawn = draw_boxes(GREY, {'a': np.array([20., 30., 41., 51.])}, {'a': (10, 200, 30)})
    for y, x in ((30, 40), (80, 40), (50, 20), (50, 60)):  # edges at 20, 30 and, as a box ends at x + w, at 61, 81
        assert (abs(drawn[y, x].astype(int) - (10, 200, 30)) < 90).all(), (y, x)
    assert (drawn[50, 40] == 128).all() and (drawn[5, 5] == 128).all()
    assert (GREY == 128).all()


@pytest.mark.parametrize('box', [None, [np.nan] * 4, [1e12, 5, 10, 10], [-300, -300, 20, 20]])
def test_what_cannot_be_seen_is_not_drawn(box):
    box = None if box is None else np.array(box)
    assert (draw_boxes(GREY, {'a': box}) == 128).all()


def test_a_hidden_object_does_not_change_the_other_colours():
    box = np.array([20., 30., 41., 51.])
    both, one = draw_boxes(GREY, {'a': box + 30, 'b': box}), draw_boxes(GREY, {'a': None, 'b': box})
    assert (both[30, 30] == one[30, 30]).all()


def test_coinciding_boxes_leave_the_annotation_visible_within_the_other():
    image = np.full((720, 1280, 3), 128, np.uint8)
    box = np.array([100.5, 100.5, 200., 200.])
    drawn = draw_boxes(image, {'a': box, 'annotation': box}, {'a': (255, 0, 0), 'annotation': (255, 255, 255)})
    column = {tuple(pixel) for pixel in drawn[95:107, 200]}
    assert (255, 255, 255) in column and any(r > 200 and g < 60 and b < 60 for r, g, b in column)


def test_the_legend_is_below_the_image_and_as_high_for_every_frame():
    labels = {'annotation': 'annotation', 'teacher': 'teacher 9.9 ms', 'student': 'student 4.0 ms'}
    first, last = add_legend(GREY, labels, corner='001/120'), add_legend(GREY, labels, corner='119/120')
    assert first.shape == last.shape and first.shape[0] > 100 and first.shape[1] == 120
    assert (first[:100] == 128).all()
    strip = first[100:].reshape(-1, 3)
    for color in choose_colors(labels).values():
        assert (strip == color).all(axis=1).any()
    assert not (first == last).all()


def test_labels_that_do_not_fit_side_by_side_get_rows():
    labels = {name: 'a label of some length' for name in 'abc'}
    wide = np.zeros((100, 2000, 3), np.uint8)
    assert add_legend(wide, labels).shape[0] < add_legend(GREY, labels).shape[0]
