"""The training pipeline, step by step, on an image with a white mark at the box."""
import cv2
import numpy as np
import pytest
import torch
from mmengine.dataset import Compose

from ct_mm.registry import TRANSFORMS
from ct_mm.tracking.datasets.reading import BadFrameError, ImageFile

PIPELINE = [
    dict(type='ct_mm.PairGrayscale', prob=0.5), dict(type='ct_mm.PairFlip', joint=False),
    dict(type='ct_mm.CropPair', template_size=64, search_size=128), dict(type='ct_mm.PairBrightness'),
    dict(type='ct_mm.PairChannelShuffle'), dict(type='ct_mm.PackTrackInputs')
]


def build(name, **kwargs):
    return TRANSFORMS.build(dict(type=f'ct_mm.{name}', **kwargs))


def marked(x, y, w, h, height=90, width=120):
    image = np.zeros((height, width, 3), np.uint8)
    image[max(y, 0):y + h, max(x, 0):x + w] = 255
    return dict(img=image, bbox=np.array([x, y, w, h], np.float64))


def pair(seed=0, template=(20, 30, 16, 10), search=(60, 40, 18, 12)):
    return dict(
        rng=np.random.default_rng(seed), source=['a.jpg', 'b.jpg'], template=marked(*template), search=marked(*search))


def mark(image):
    """xyxy around what is white."""
    rows, columns = np.flatnonzero(image.max(-1).max(1) > 127), np.flatnonzero(image.max(-1).max(0) > 127)
    return np.array([columns[0], rows[0], columns[-1] + 1, rows[-1] + 1])


def test_the_flip_moves_image_and_box_together():
    results = build('PairFlip', prob=1)(pair())
    for name, x in (('template', 120 - 20 - 16), ('search', 120 - 60 - 18)):
        left, top, w, h = results[name]['bbox']
        assert left == x
        np.testing.assert_array_equal(mark(results[name]['img']), [left, top, left + w, top + h])


@pytest.mark.parametrize('name, prob', [('PairFlip', 0.5), ('PairGrayscale', 0.05), ('PairGrayscale', 0.7)])
def test_both_images_change_or_neither_and_as_often_as_asked(name, prob):
    transform, changed = build(name, prob=prob), 0
    for seed in range(400):
        results, colours = pair(seed), np.random.default_rng(0).integers(0, 256, (8, 8, 3), np.uint8)
        results['template']['img'], results['search']['img'] = colours.copy(), colours.copy()
        results = transform(results)
        different = [not np.array_equal(results[side]['img'], colours) for side in ('template', 'search')]
        assert different[0] == different[1]
        changed += different[0]
    assert abs(changed / 400 - prob) < 0.08


def test_grey_images_keep_three_equal_channels():
    results = pair()
    results['search']['img'] = np.random.default_rng(0).integers(0, 256, (8, 8, 3), np.uint8)
    image = build('PairGrayscale', prob=1)(results)['search']['img']
    assert image.shape == (8, 8, 3) and np.ptp(image) > 0
    assert (image == image[..., :1]).all()


def test_brightness_scales_each_image_by_its_own_factor():
    factors = []
    for seed in range(200):
        results = pair(seed)
        for side in ('template', 'search'):
            results[side]['img'] = np.full((4, 4, 3), 200, np.uint8)
        results = build('PairBrightness', range=0.2)(results)
        factors.append([results[side]['img'][0, 0, 0] / 200 for side in ('template', 'search')])
    factors = np.array(factors)
    assert 0.8 <= factors.min() < 0.82 and 1.18 < factors.max() <= 1.2
    assert abs(np.corrcoef(factors.T)[0, 1]) < 0.2


def test_brightness_saturates():
    results = pair()
    results['search']['img'] = np.array([[[255, 250, 0]]], np.uint8)
    factor_above_one = next(s for s in range(50) if np.random.default_rng(s).uniform(0.8, 1.2, 2)[1] > 1.1)
    results['rng'] = np.random.default_rng(factor_above_one)
    assert build('PairBrightness')(results)['search']['img'].tolist() == [[[255, 255, 0]]]


@pytest.mark.parametrize('seed', range(20))
def test_cropped_boxes_fit_what_the_crops_show(seed):
    results = build('CropPair', template_size=64, search_size=128)(pair(seed))
    for name, size in (('template', 64), ('search', 128)):
        side = results[name]
        assert side['img'].shape == (size, size, 3) and side['img'].dtype == np.uint8
        assert side['bbox'].dtype == np.float32
        # The released code rounds the crop to whole image pixels: about one image pixel, 2.5 crop pixels or less.
        np.testing.assert_allclose(side['bbox'], mark(side['img']), atol=3.5)


def test_without_jitter_the_target_is_in_the_middle_with_its_own_size():
    results = build(
        'CropPair', template_size=64, search_size=128, center_jitter=0, scale_jitter=0)(pair(search=(60, 40, 16, 16)))
    np.testing.assert_allclose(results['search']['bbox'], [47.5, 47.5, 79.5, 79.5])
    np.testing.assert_allclose(results['template']['bbox'][::2].mean(), 31.5)


def test_the_template_has_no_jitter():
    crops = [build('CropPair')(pair(seed)) for seed in range(2)]
    np.testing.assert_array_equal(crops[0]['template']['img'], crops[1]['template']['img'])
    assert not np.array_equal(crops[0]['search']['img'], crops[1]['search']['img'])


def test_jitter_has_the_distribution_of_the_recipe():
    transform, rng, box = build('CropPair'), np.random.default_rng(0), np.array([60., 40., 18., 12.])
    jittered = np.array([transform.jitter(box, rng) for _ in range(5000)])  # (5000, 4)
    log_ratio = np.log(jittered[:, 2:] / box[2:])
    np.testing.assert_allclose(log_ratio.mean(0), 0, atol=0.02)
    np.testing.assert_allclose(log_ratio.std(0), 0.25, rtol=0.05)
    assert abs(np.corrcoef(log_ratio.T)[0, 1]) < 0.05
    offset = jittered[:, :2] + jittered[:, 2:] / 2 - [69, 46]
    offset /= np.sqrt(jittered[:, 2:].prod(1, keepdims=True))
    assert 1.45 < np.abs(offset).max() <= 1.5
    np.testing.assert_allclose(offset.std(0), 1.5 / np.sqrt(3), rtol=0.05)  # uniform
    np.testing.assert_allclose(offset.mean(0), 0, atol=0.04)


def test_boxes_are_clipped_to_the_crop():
    clipped = 0
    for seed in range(40):
        box = build('CropPair', search_size=128, search_factor=1.5, center_jitter=1.0)(pair(seed))['search']['bbox']
        assert box.min() >= 0 and box.max() <= 128
        clipped += box.min() == 0 or box.max() == 128
    assert clipped > 5


@pytest.mark.parametrize('boxes', [
    dict(search=(125, 40, 18, 12)),  # outside of the image
    dict(search=(-30, 40, 18, 12)),
    dict(template=(20, 100, 18, 12)),
])
def test_targets_outside_the_image_are_rejected(boxes):
    assert build('CropPair')(pair(**boxes)) is None


def test_targets_jittered_out_of_the_crop_are_rejected():
    # The crop is as large as the box, and the centre moves by up to 1.5 of its sides.
    refused = sum(build('CropPair', search_factor=1.0)(pair(seed)) is None for seed in range(100))
    assert 40 < refused < 100


def test_targets_smaller_than_a_pixel_are_rejected():
    results = pair()
    results['search']['bbox'] = np.array([60, 40, 0.1, 0.1])
    assert build('CropPair')(results) is None


@pytest.mark.parametrize('name', ['template', 'search'])
@pytest.mark.parametrize('box', [[9, 9, 0, 5], [9, 9, 5, -2], [9, 9, 5, float('nan')]])
def test_a_box_without_area_is_an_error_that_names_the_frame(name, box):
    results = pair()
    results[name]['bbox'] = np.array(box, np.float64)
    with pytest.raises(BadFrameError, match=r"the box .* of \['a.jpg', 'b.jpg'\] has no area"):
        build('CropPair')(results)
    results = pair()
    results[name].update(bbox=np.array(box, np.float64), source='c.jpg')
    with pytest.raises(BadFrameError, match=r'the box .* of c.jpg has no area'):
        build('CropPair')(results)


@pytest.mark.parametrize('name, arguments', [
    ('CropPair', dict(template_size=0)), ('CropPair', dict(scale_jitter=-1)), ('PairFlip', dict(prob=1.5)),
    ('PairGrayscale', dict(prob=-0.1)), ('PairBrightness', dict(range=2)), ('SamplePair', dict(max_gap=0)),
    ('SamplePair', dict(num_templates=0))])
def test_wrong_arguments_are_named(name, arguments):
    with pytest.raises(ValueError, match=f'{name}: .*{next(iter(arguments))}'):
        build(name, **arguments)


def test_the_pipeline_packs_what_a_tracker_takes():
    pipeline = Compose([
        dict(type='ct_mm.PairGrayscale'), dict(type='ct_mm.PairFlip'),
        dict(type='ct_mm.CropPair', template_size=64, search_size=128), dict(type='ct_mm.PairBrightness'),
        dict(type='ct_mm.PackTrackInputs')
    ])
    packed = pipeline(pair(3))
    for name, size in (('template', 64), ('search', 128)):
        tensor = packed['inputs'][name]
        assert tensor.shape == (3, size, size) and tensor.dtype == torch.uint8 and tensor.is_contiguous()
    sample = packed['data_samples']
    assert sample.gt_instances.bboxes.shape == (1, 4) and sample.gt_instances.bboxes.dtype == torch.float32
    left, top, right, bottom = sample.gt_instances.bboxes[0].round().int().tolist()
    assert packed['inputs']['search'][:, top + 4:bottom - 4, left + 4:right - 4].min() > 150  # channels first, unmixed
    assert sample.source == ['a.jpg', 'b.jpg']
    with pytest.raises(ValueError, match=r"\['a.jpg', 'b.jpg'\] .*put ct_mm.CropPair before"):
        build('PackTrackInputs')(pair(search=(60, 40, 18, 12)))


def test_images_may_be_mirrored_independently():
    together = 0
    for seed in range(200):
        results = build('PairFlip', joint=False)(pair(seed))
        flipped = []
        for name, x in (('template', 20), ('search', 60)):
            left, top, w, h = results[name]['bbox']
            np.testing.assert_array_equal(mark(results[name]['img']), [left, top, left + w, top + h])
            flipped.append(left != x)
        together += flipped[0] == flipped[1]
    assert 75 < together < 125


def three_templates(seed=0):
    boxes = [(20, 30, 16, 10), (30, 30, 16, 10), (40, 30, 16, 10)]
    return dict(pair(seed), template=[marked(*box) for box in boxes], source=['a.jpg', 'b.jpg', 'c.jpg', 'd.jpg'])


def test_all_transforms_take_several_templates():
    packed = Compose(PIPELINE)(three_templates())
    assert packed['inputs']['template'].shape == (3, 3, 64, 64) and packed['inputs']['search'].shape == (3, 128, 128)
    assert packed['data_samples'].source == ['a.jpg', 'b.jpg', 'c.jpg', 'd.jpg']
    flipped = {tuple(side['bbox'][0] != x for side, x in zip(results['template'], (20, 30, 40)))
               for results in (build('PairFlip', joint=False)(three_templates(seed)) for seed in range(60))}
    assert len(flipped) == 8
    grey = build('PairGrayscale', prob=1)(three_templates())
    assert all((side['img'] == side['img'][..., :1]).all() for side in grey['template'])
    bad = three_templates()
    bad['template'][1]['bbox'][2] = 0
    with pytest.raises(BadFrameError):
        build('CropPair')(bad)


@pytest.mark.parametrize('steps', [PIPELINE, [PIPELINE[4], *PIPELINE[:4], PIPELINE[5]],
                                   [PIPELINE[3], *PIPELINE[:3], *PIPELINE[4:]]])
def test_files_give_the_same_as_arrays(tmp_path, steps):
    """Bit for bit, wherever a transform stands; those that need all pixels take all."""
    image = np.random.default_rng(0).integers(0, 256, (90, 120, 3), np.uint8)
    cv2.imwrite(str(tmp_path / 'a.jpg'), image)
    pixels = np.asarray(ImageFile(tmp_path / 'a.jpg'))
    pipeline = Compose(steps)
    for seed in range(20):
        files, arrays = pair(seed), pair(seed)
        for side in ('template', 'search'):
            files[side]['img'], arrays[side]['img'] = ImageFile(tmp_path / 'a.jpg'), pixels
        files, arrays = pipeline(files), pipeline(arrays)
        for side in ('template', 'search'):
            assert torch.equal(files['inputs'][side], arrays['inputs'][side])
        assert torch.equal(files['data_samples'].gt_instances.bboxes, arrays['data_samples'].gt_instances.bboxes)
