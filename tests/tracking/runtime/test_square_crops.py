"""Crops, masks and boxes as data of a card."""
import numpy as np
import pytest

from ct_mm.tracking.runtime.geometries import SquareCrops, build_geometry
from ct_mm.tracking.runtime.template_mask import fraction_mask


def test_crops_and_masks_are_those_of_the_released_tracker(shared):
    """Of SUTrack; its masks follow from the boxes that it keeps beside its templates."""
    with np.load(shared / 'reference' / 'sutrack_small.npz') as numbers:
        numbers = {name.removeprefix('track/'): numbers[name] for name in numbers.files if name.startswith('track/')}
    crops = [numbers[f'update/{name}'] for name in ('template_crop_0', 'search_crop_1')]
    sides = [len(crop) for crop in crops]
    geometry = SquareCrops(*sides, mask_cell=16)
    box, images = numbers['init_box_xywh'].astype(float), numbers['images']
    first = geometry.template(images[0], box)
    np.testing.assert_array_equal(first.image, crops[0])
    np.testing.assert_array_equal(first.mask, fraction_mask(numbers['update/template_anno_init'][0], sides[0], 16))
    crop, placement = geometry.search(images[1], box)
    np.testing.assert_array_equal(crop, crops[1])
    assert placement.side == pytest.approx(sides[1] / numbers['update/resize_factor_search_1'])
    updated = int(np.flatnonzero(numbers['update/updated'])[-1])
    last = geometry.template(images[updated + 1], numbers['update/boxes_xywh'][updated])
    np.testing.assert_array_equal(last.mask, fraction_mask(numbers['update/template_anno_last'][1], sides[0], 16))


@pytest.mark.parametrize('data, message', [
    (dict(template_size=0), 'template_size must be'), (dict(search_size=4096), 'search_size must be'),
    (dict(search_size=64.0), 'search_size must be'), (dict(template_factor=0), 'template_factor must be'),
    (dict(search_factor=float('inf')), 'search_factor must be'), (dict(margin=-1), 'margin must be'),
    (dict(margin='10'), 'margin must be'), (dict(mask_cell=0), 'mask_cell must be'),
    (dict(mask_cell=7), 'mask_cell=7 does not divide template_size=32'), (dict(padding=3), 'padding'),
    (dict(type='round'), 'geometry must be a dict whose type is one of')])
def test_a_geometry_that_cannot_be_is_refused(data, message):
    with pytest.raises(ValueError, match=message):
        build_geometry({**dict(type='square', template_size=32, search_size=64), **data})


def test_a_geometry_without_its_sizes_is_refused():
    with pytest.raises(ValueError, match='template_size'):
        build_geometry(dict(type='square', search_size=64))


def test_a_geometry_survives_as_plain_data():
    geometry = SquareCrops(32, 64, 1.5, 3.0, 2.0, 8)
    assert build_geometry(geometry.to_data()) == geometry and geometry.mask_size == 4
