"""Context crops against the authors' released code, PyTorch's bilinear resize, and by hand."""
import numpy as np
import pytest
import torch
import torch.nn.functional as F
from parity_files import parity_files

from ct_mm.tracking.runtime.context_crop import at_least, context_place, crop_context, mean_colour
from ct_mm.tracking.runtime.geometries import ContextCrops, build_geometry
from ct_mm.tracking.runtime.memories import FixedTemplate
from ct_mm.tracking.runtime.model_card import ModelCard
from ct_mm.tracking.runtime.template_mask import touched_mask

KINDS = dict(template=('template', 2.0), search=('search', 4.0), search5=('search', 5.0))


@pytest.fixture(scope='module', params=parity_files('crop/search5_0_params'), ids=lambda file: file.stem)
def data(request):
    return np.load(request.param)


def xywh(box):
    return np.concatenate([box[:2], box[2:] - box[:2]])


def test_the_mean_colour(data):
    np.testing.assert_allclose(mean_colour(data['crop/image']), data['crop/image_mean'], atol=1e-4)


@pytest.mark.parametrize('kind', KINDS)
def test_crops(data, kind):
    image, checked = data['crop/image'], 0
    for i, box in enumerate(data['crop/boxes_xyxy']):
        key, (side, factor) = f'crop/{kind}_{i}', KINDS[kind]
        size = data[side].shape[-1]
        wanted = context_place(xywh(box), factor, size)
        np.testing.assert_allclose([wanted.scale, wanted.shift], data[f'{key}_params'], rtol=1e-12, atol=1e-10)
        crop, place = crop_context(image, wanted, size, data['crop/image_mean'])
        np.testing.assert_allclose([place.scale, place.shift], data[f'{key}_adjusted'], rtol=1e-6)
        np.testing.assert_allclose(place.to_crop(box), data[f'{key}_box_in_crop'], atol=1e-4)
        np.testing.assert_allclose(place.to_image(place.to_crop(box)), box, atol=1e-5)
        if key in data.files:
            np.testing.assert_allclose(crop, data[key].transpose(1, 2, 0), atol=1e-3)
            checked += 1
        if f'{key}_mask' in data.files:
            cell = size // int(data['config/template_feat'])
            np.testing.assert_array_equal(touched_mask(place.to_crop(box), size, cell), data[f'{key}_mask'])
    assert checked or kind == 'search5'


@pytest.mark.parametrize('box', [[3, 4, 11, 9], [20.5, 11.25, 6, 30], [1, 1, 46, 34], [4, 4, 12, 12]])
@pytest.mark.parametrize('factor', [1.0, 2.0, 3.0])
def test_pixels_are_those_of_pytorchs_bilinear_resize(box, factor):
    image = np.random.default_rng(0).integers(0, 256, (37, 48, 3), np.uint8)
    size = 56
    crop, place = crop_context(image, context_place(box, factor, size), size, np.array([1, 2, 3]))
    x1, y1, x2, y2 = np.rint(np.clip(place.to_image([0, 0, size, size]), 0, [48, 37, 48, 37])).astype(int)
    u1, v1, u2, v2 = np.rint(place.to_crop([x1, y1, x2, y2])).astype(int)
    piece = torch.from_numpy(image[y1:y2, x1:x2].copy()).permute(2, 0, 1)[None].float()
    wanted = np.tile(np.float32([1, 2, 3]), (size, size, 1))
    wanted[v1:v2, u1:u2] = F.interpolate(piece, (v2 - v1, u2 - u1), mode='bilinear')[0].permute(1, 2, 0).numpy()
    np.testing.assert_allclose(crop, wanted, atol=1e-3)


def test_a_crop_beside_the_image_is_filled():
    image = np.zeros((40, 60, 3), np.uint8)
    wanted = context_place([500, 500, 10, 10], 2, 28)
    crop, place = crop_context(image, wanted, 28, np.array([7, 8, 9]))
    assert place is wanted and (crop == [7, 8, 9]).all()


def test_a_small_box_is_raised_about_its_centre():
    assert at_least([10, 20, 4, 30], 10).tolist() == [7, 20, 10, 30]


@pytest.mark.parametrize('box', [[0, 0, 0, 5], [0, 0, 5, -1], [0, float('nan'), 5, 5]])
def test_a_box_without_area_is_an_error(box):
    with pytest.raises(ValueError, match='cannot crop around the box'):
        context_place(box, 2.0, 28)


def test_the_geometry_goes_through_a_card_and_reports_an_empty_box_but_keeps_the_last_good_one():
    geometry = ContextCrops(28, 56, search_factor=5.0)
    card = ModelCard.of('LoRAT', geometry, FixedTemplate())
    assert ModelCard.from_json(card.to_json(), 'a.onnx') == card
    assert [(each.name, each.dtype) for each in card.inputs] == [
        ('template', 'float32'), ('template_mask', 'float32'), ('search', 'float32')]
    image, box = np.zeros((40, 60, 3), np.uint8), np.array([40.0, 10, 20, 20])
    _, placement = geometry.search(image, box, geometry.start(image))
    reported, around = geometry.place(np.array([0.9, 0.5, 0.1, 0.2]), placement, (40, 60))
    assert reported[2] == 0 and around is box
    reported, around = geometry.place(np.array([0.5, 0.5, 0.2, 0.2]), placement, (40, 60))
    assert reported[2] > 10 and around is reported


@pytest.mark.parametrize('value', [dict(template_size=0), dict(search_factor=float('nan')), dict(min_side=0.0),
                                   dict(mask_cell=5), dict(search_size=10**6)])
def test_wrong_values_of_the_geometry_are_named(value):
    with pytest.raises(ValueError, match=next(iter(value))):
        build_geometry(dict(dict(type='context', template_size=28, search_size=56), **value))
