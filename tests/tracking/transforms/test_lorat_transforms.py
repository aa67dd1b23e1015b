"""The transforms of the LoRAT recipe, on an image with a white mark at the box."""
import numpy as np
import pytest
from mmengine.dataset import Compose

from ct_mm.registry import DATASETS, TRANSFORMS
from ct_mm.tracking.datasets.reading import BadFrameError
from ct_mm.tracking.transforms.pair_color_jitter import blend

PIPELINE = [
    dict(type='ct_mm.PairFlip', joint=False), dict(type='ct_mm.ContextCropPair', template_size=56, search_size=112),
    dict(type='ct_mm.TemplateMask', cell=14, rule='touched'), dict(type='ct_mm.PairColorJitter'),
    dict(type='ct_mm.PairThreeAugment'), dict(type='ct_mm.PackTrackInputs')
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


@pytest.mark.parametrize('template, search', [((20, 30, 16, 10), (60, 40, 18, 12)), ((0, 0, 30, 20), (95, 70, 25, 20)),
                                              ((-5, 30, 16, 10), (110, 40, 18, 12))])
def test_crops_and_boxes_agree_and_the_search_region_is_jittered(template, search):
    crop, aspects = build('ContextCropPair', template_size=112, search_size=224), []
    for seed in range(30):
        results = crop(pair(seed, template, search))
        for name, size in (('template', 112), ('search', 224)):
            side = results[name]
            assert side['img'].shape == (size, size, 3) and side['img'].dtype == np.uint8
            np.testing.assert_allclose(mark(side['img']), side['bbox'], atol=4)
            assert (side['bbox'] >= 0).all() and (side['bbox'] <= size).all()
        x1, y1, x2, y2 = results['search']['bbox']
        assert min(x2 - x1, y2 - y1) > 9, 'ten pixels before the alignment to whole pixels'
        aspects.append((x2 - x1) / (y2 - y1))
    assert max(aspects) > 1.5 * min(aspects)


def test_without_jitter_the_target_is_in_the_middle_and_a_square_one_as_large_as_asked():
    results = build('ContextCropPair', template_size=112, search_size=224, center_jitter=0, scale_jitter=0)(
        pair(0, (40, 30, 20, 20), (40, 30, 20, 20)))
    np.testing.assert_allclose(results['template']['bbox'], [28, 28, 84, 84], atol=1.5)
    np.testing.assert_allclose(results['search']['bbox'], [84, 84, 140, 140], atol=1.5)


def test_outside_of_the_frame_is_the_mean_colour_of_that_frame():
    given = pair(0, (0, 0, 40, 40), (80, 50, 40, 40))
    given['template']['img'][:] = (10, 20, 30)
    results = build('ContextCropPair', center_jitter=0, scale_jitter=0)(given)
    assert results['template']['img'][0, 0].tolist() == [10, 20, 30]
    white = 255 * 40 * 40 / (90 * 120)
    assert results['search']['img'][-1, -1].tolist() == [round(white)] * 3


def test_a_target_that_does_not_show_is_drawn_again_and_a_box_without_area_is_named():
    crop = build('ContextCropPair')
    assert crop(pair(0, search=(130, 40, 18, 12))) is None, 'outside of the frame'
    assert build('ContextCropPair', min_side=400.0)(pair()) is None, 'no jitter fits'
    with pytest.raises(BadFrameError, match=r'b\.jpg.* has no area'):
        crop(pair(0, search=(60, 40, 0, 12)))


@pytest.mark.parametrize('setting', [dict(search_size=0), dict(search_factor=-1.0), dict(scale_jitter=-0.1),
                                     dict(max_tries=0), dict(min_side=0.0)])
def test_wrong_settings_of_the_crop_are_named(setting):
    with pytest.raises(ValueError, match=next(iter(setting))):
        build('ContextCropPair', **setting)


def test_the_whole_pipeline_is_a_function_of_the_seed():
    pipeline = Compose([TRANSFORMS.build(step) for step in PIPELINE])
    first, again, other = (pipeline(pair(seed)) for seed in (1, 1, 2))
    for name in ('template', 'search', 'template_mask'):
        assert (first['inputs'][name] == again['inputs'][name]).all()
    assert first['inputs']['template_mask'].shape == (1, 4, 4)
    assert not (first['inputs']['search'] == other['inputs']['search']).all()


def test_the_three_colours_of_an_image_that_are_jittered():
    image = np.array([[[100, 50, 0], [200, 200, 200]]], np.uint8)
    assert blend(image, 1.5, 0).tolist() == [[[150, 75, 0], [255, 255, 255]]]
    grey = [59, 200]  # 0.299 R + 0.587 G + 0.114 B, rounded
    mean = sum(grey) / 2
    expected = np.clip(np.floor(image * 0.5 + 0.5 * mean + 0.5), 0, 255)
    np.testing.assert_array_equal(blend(image, 0.5, 1), expected)
    np.testing.assert_array_equal(blend(image, 0.0, 2)[..., 0], [grey])
    assert all(np.array_equal(blend(image, 1.0, kind), image) for kind in range(3))


def test_images_of_a_pair_are_jittered_differently_but_changed_alike():
    image = np.random.default_rng(0).integers(0, 256, (8, 8, 3), np.uint8)

    def sides(name, seed):
        results = dict(rng=np.random.default_rng(seed), template=dict(img=image.copy()), search=dict(img=image.copy()))
        results = build(name)(results)
        return results['template']['img'], results['search']['img']

    assert not np.array_equal(*sides('PairColorJitter', 0))
    kinds = set()
    for seed in range(30):
        template, search = sides('PairThreeAugment', seed)
        assert np.array_equal(template, search) and not np.array_equal(template, image)
        grey = (template[..., 0] == template[..., 1]).all()
        solarised = np.array_equal(template, np.where(image > 127, 255 - image, image))
        kinds.add('grey' if grey else 'solarised' if solarised else 'blurred')
    assert kinds == {'grey', 'solarised', 'blurred'}


@pytest.mark.parametrize('name, setting, words', [('PairColorJitter', dict(contrast=1.5), 'contrast'),
                                                  ('PairThreeAugment', dict(blur=(2.0, 1.0)), 'blur')])
def test_wrong_settings_are_named(name, setting, words):
    with pytest.raises(ValueError, match=words):
        build(name, **setting)


def test_frames_lie_near_each_other_in_either_order(data_root):
    source = DATASETS.build(dict(type='ct_mm.NearbyPairs', max_gap=2,
                                 dataset=dict(type='ct_mm.SequenceFolder', data_root=str(data_root))))
    rng, visible = np.random.default_rng(0), np.array([0, 1, 4, 7, 8, 9])
    drawn = {source._draw(visible, False, rng) for _ in range(500)}
    near = {(a, b) for a in visible for b in visible if a != b and abs(a - b) <= 2}
    assert drawn == near and (4, 4) not in drawn
    assert source._draw(np.array([3, 6, 9]), False, rng) is None and source._draw(np.array([0]), True, rng) == (0, 0)
    results = source.draw_pair(rng)
    assert len(results['source']) == 2 and results['source'][0] != results['source'][1]
    with pytest.raises(ValueError, match='max_gap must be at least 1'):
        DATASETS.build(dict(type='ct_mm.NearbyPairs', max_gap=0,
                            dataset=dict(type='ct_mm.SequenceFolder', data_root=str(data_root))))
