"""Where the segments of composites come from."""
import pickle
import sys

import cv2
import numpy as np
import pytest

from ct_mm.registry import DATASETS
from ct_mm.tracking.datasets.pairs.segment_folder import SegmentFolder


def folder(root, **kwargs):
    return SegmentFolder(root, suffix='.png', **dict(dict(min_texture=0), **kwargs))


def test_finds_the_target_with_its_exact_box(photo_folder):
    photos = folder(photo_folder)
    assert len(photos) == 2
    photograph, = (photos[i] for i in range(2) if photos[i].segments)
    assert photograph.name.endswith('train_a.png')
    segment, = photograph.segments
    x, y, w, h = segment.box
    green = photograph.image[..., 1] == 255
    np.testing.assert_array_equal(green[y:y + h, x:x + w], segment.mask == 255)
    assert green.sum() == (segment.mask == 255).sum()


def test_a_photograph_is_read_once_but_not_sent_to_workers(photo_folder):
    photos = folder(photo_folder)
    assert photos[0] is photos[0]
    assert len(pickle.dumps(photos)) < 2000
    assert len(pickle.loads(pickle.dumps(photos))[0].segments) == 1


def test_large_photographs_become_smaller_and_so_do_their_masks(photo_folder):
    photograph = folder(photo_folder, max_side=80)[0]
    assert photograph.image.shape == (60, 80, 3)
    x, y, w, h = photograph.segments[0].box
    full = folder(photo_folder)[0].segments[0].box
    np.testing.assert_allclose([x, y, w, h], np.array(full) / 2, atol=1)


@pytest.mark.parametrize('limit', [
    dict(area=(0.01, 0.05)), dict(min_side=50), dict(min_fill=0.9), dict(max_aspect=1.1), dict(min_texture=5),
    dict(min_contrast=300)])
def test_each_limit_rejects(photo_folder, limit):
    assert not folder(photo_folder, **limit)[0].segments


@pytest.mark.parametrize('points, is_target', [
    ([(40, 30), (100, 30), (100, 80), (40, 80)], True),
    ([(0, 30), (60, 30), (60, 80), (0, 80)], True),  # at one border
    ([(0, 0), (60, 0), (60, 50), (0, 50)], False),  # at two
    ([(40, 30), (100, 30), (100, 38), (48, 38), (48, 80), (40, 80)], False),  # an L, hollow
])
def test_shape_of_targets(photo_folder, points, is_target):
    image, labels = np.full((120, 160, 3), 100, np.uint8), np.ones((120, 160), np.uint8)
    cv2.fillPoly(labels, [np.array(points)], 2)
    image[labels == 2] = (0, 200, 0)
    found = folder(photo_folder, min_fill=0).find_targets(image, labels)
    assert [segment.box[2:] for segment in found] == ([(61, 51)] if is_target else [])


def test_splits_choose_by_the_beginning_of_the_name(photo_folder):
    assert len(folder(photo_folder, splits=['train_b', 'val'])) == 1
    with pytest.raises(FileNotFoundError, match=r"splits=\['val'\].*\n.*val.*\n.*val.*_segments.png"):
        folder(photo_folder, splits='val')


def test_missing_folder_is_an_error_that_shows_the_layout(tmp_path):
    with pytest.raises(FileNotFoundError, match=r'root=.*nowhere.*\n.*NAME\.jpg\n.*NAME_segments\.png'):
        SegmentFolder(tmp_path / 'nowhere')


def test_missing_label_map_is_an_error_that_names_it(photo_folder):
    (photo_folder / 'train_b_segments.png').unlink()
    with pytest.raises(FileNotFoundError, match='1 of 2 .*needs train_b_segments.png'):
        folder(photo_folder)


def test_label_map_of_another_size_is_an_error_that_names_it(photo_folder):
    cv2.imwrite(str(photo_folder / 'train_a_segments.png'), np.ones((60, 80), np.uint8))
    with pytest.raises(ValueError, match='train_a_segments.png is 80x60, but its photograph is 160x120'):
        folder(photo_folder)[0]


def test_coloured_label_map_is_an_error_that_names_it(photo_folder):
    cv2.imwrite(str(photo_folder / 'train_a_segments.png'), np.full((120, 160, 3), (1, 2, 3), np.uint8))
    with pytest.raises(ValueError, match='train_a_segments.png is a colour image'):
        folder(photo_folder)[0]


def test_damaged_photograph_is_an_error_that_names_it(photo_folder):
    (photo_folder / 'train_a.png').write_bytes(b'no image')
    with pytest.raises(OSError, match='train_a.png'):
        folder(photo_folder)[0]


def test_real_photographs_give_targets(shared):
    photos = SegmentFolder(shared / 'data' / 'images', splits=['val_1'])
    counts = [len(photos[i].segments) for i in range(20)]
    assert sum(count > 0 for count in counts) >= 12
    for segment in photos[int(np.argmax(counts))].segments:
        assert segment.mask.shape == segment.box[:1:-1]
        assert segment.mask.any(0).all() and segment.mask.any(1).all()  # the box is tight


def test_scikit_image_photographs_give_the_same_targets_each_time():
    pytest.importorskip('skimage')
    config = dict(type='ct_mm.SkimageSegments', names=['chelsea'], scales=(100, 300), max_side=200)
    first, second = DATASETS.build(config)[0], DATASETS.build(config)[0]
    assert len(first.segments) >= 3
    assert first.image.shape == (133, 200, 3)
    assert [s.box for s in first.segments] == [s.box for s in second.segments]
    assert len({s.box for s in first.segments}) == len(first.segments)


def test_unknown_scikit_image_photograph_is_an_error_that_lists_them():
    pytest.importorskip('skimage')
    with pytest.raises(FileNotFoundError, match="no 'dragon' in scikit-image .*chelsea"):
        DATASETS.build(dict(type='ct_mm.SkimageSegments', names=['dragon']))


def test_without_scikit_image_the_error_says_how_to_get_it(monkeypatch):
    monkeypatch.setitem(sys.modules, 'skimage', None)
    monkeypatch.delitem(sys.modules, 'skimage.data', raising=False)
    with pytest.raises(ImportError, match='pip install scikit-image'):
        DATASETS.build(dict(type='ct_mm.SkimageSegments'))
