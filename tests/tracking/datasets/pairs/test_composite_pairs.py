"""Pairs made from photographs: exact boxes, sensible targets."""
import numpy as np
import pytest

from ct_mm.registry import DATASETS
from ct_mm.tracking.datasets.pairs import compositing


@pytest.fixture
def without_light_and_camera(monkeypatch):
    monkeypatch.setattr(compositing, 'relight', lambda image, rng, strength: image)
    monkeypatch.setattr(compositing, 'camera', lambda image, rng: image)


def green_box(image):
    """Box of the pixels that are at least half covered by the green target."""
    solid = image[..., 1].astype(int) - image[..., 0] >= 128
    columns, rows = np.flatnonzero(solid.any(0)), np.flatnonzero(solid.any(1))
    return np.array([columns[0], rows[0], columns[-1] - columns[0] + 1, rows[-1] - rows[0] + 1])


@pytest.mark.parametrize('static', [0, 1])
def test_the_box_is_that_of_the_painted_target(composites, without_light_and_camera, static):
    source = DATASETS.build(composites(static_fraction=static, max_distractors=0, occlusion=0))
    seen = 0
    for seed in range(60):
        pair = source.draw_pair(np.random.default_rng(seed))
        if pair is None or 'train_a' in pair['source'][-1] and not static:
            continue  # the target is off the canvas, or the background shows another green ellipse
        assert len(pair['source']) == 2 - static
        for side in (pair['template'], pair['search']):
            np.testing.assert_allclose(side['bbox'], green_box(side['img']), atol=1 if static else 0)
            seen += 1
        assert not np.array_equal(pair['template']['bbox'], pair['search']['bbox'])
    assert seen > 40


def test_the_target_moves_on_from_template_to_template(composites, without_light_and_camera):
    settings = dict(max_distractors=0, occlusion=0)
    one, three = (DATASETS.build(composites(**settings, num_templates=number)) for number in (1, 3))
    seen = 0
    for seed in range(20):
        pair = three.draw_pair(np.random.default_rng(seed))
        if pair is not None:
            sides = [*pair['template'], pair['search']]
            assert len(sides) == 4 and len({tuple(side['bbox']) for side in sides}) == 4
            seen += 1
    assert seen > 10 and isinstance(one.draw_pair(np.random.default_rng(0))['template'], dict)
    with pytest.raises(ValueError, match='num_templates must be at least 1, got 0'):
        DATASETS.build(composites(num_templates=0))


@pytest.fixture
def black_extras(monkeypatch):
    """In static pairs, everything that is painted (distractors and occluders, not the target) becomes black."""
    original = compositing.cut_out

    def cut_out(photograph, segment, feather=True):
        cutout = original(photograph, segment, feather)
        return type(cutout)(cutout.rgb * 0, cutout.alpha) if feather else cutout

    monkeypatch.setattr(compositing, 'cut_out', cut_out)
    monkeypatch.setattr(compositing, 'recolour', lambda cutout, rng: cutout)


def test_the_box_is_that_of_the_whole_target_when_it_is_occluded(composites, without_light_and_camera, black_extras):
    source = DATASETS.build(composites(static_fraction=1, max_distractors=0, occlusion=1, min_visible=0.5))
    green, filled = [], 0.6  # a turned ellipse fills about 60 % of its box
    for seed in range(60):
        pair = source.draw_pair(np.random.default_rng(seed))
        if pair is not None:
            x, y, w, h = pair['search']['bbox'].astype(int)
            window = pair['search']['img'][y:y + h, x:x + w].astype(int)
            green.append((window[..., 1] - window[..., 0] >= 128).mean() / filled)
            assert 0.7 < w * h / green_box(pair['search']['img'])[2:].prod() < 4
    green = np.array(green)
    assert green.min() > 0.4
    assert 0.3 < (green < 0.9).mean() < 1


def test_distractors_move_behind_the_target(composites, without_light_and_camera, black_extras):
    source = DATASETS.build(composites(static_fraction=1, max_distractors=3, occlusion=0))
    with_distractors = 0
    for seed in range(40):
        pair = source.draw_pair(np.random.default_rng(seed))
        for side in (pair or {}).values():
            if isinstance(side, dict):
                np.testing.assert_allclose(side['bbox'], green_box(side['img']), atol=1)
                with_distractors += side['img'].sum(-1).min() == 0
    assert with_distractors >= 20


def test_a_pair_is_a_function_of_its_generator(composites):
    first, second = (DATASETS.build(composites()) for _ in range(2))
    second.draw_pair(np.random.default_rng(99))  # earlier draws do not matter
    for seed in range(10):
        one, two = first.draw_pair(np.random.default_rng(seed)), second.draw_pair(np.random.default_rng(seed))
        assert (one is None) == (two is None)
        if one is not None:
            for side in ('template', 'search'):
                np.testing.assert_array_equal(one[side]['img'], two[side]['img'])
                np.testing.assert_array_equal(one[side]['bbox'], two[side]['bbox'])


def test_real_photographs_give_targets_of_the_requested_size(shared):
    source = DATASETS.build(
        dict(
            type='ct_mm.CompositePairs',
            target_size=(24, 90),
            images=dict(type='ct_mm.SegmentFolder', data_root=str(shared / 'data' / 'images'), splits=['val_1'])))
    sizes, sources, failures = [], set(), 0
    for seed in range(80):
        pair = source.draw_pair(np.random.default_rng(seed))
        if pair is None:
            failures += 1
            continue
        sources.update(pair['source'])
        for side in (pair['template'], pair['search']):
            x, y, w, h = side['bbox']
            assert side['img'].shape == (240, 320, 3)
            assert 0 <= x and 0 <= y and x + w <= 320 and y + h <= 240
            sizes.append(np.sqrt(w * h))
    assert failures < 8
    assert len(sources) > 15
    assert 24 * 0.5 < min(sizes) < 40 and 60 < max(sizes) < 90 * 1.7


def test_no_target_at_all_is_an_error_that_says_what_to_relax(composites):
    config = composites()
    config['images']['min_contrast'] = 1000
    with pytest.raises(RuntimeError, match='none of 100 photographs, the last one .*train_.*min_contrast'):
        DATASETS.build(config).draw_pair(np.random.default_rng(0))


def test_target_larger_than_the_canvas_is_an_error(composites):
    with pytest.raises(ValueError, match=r'target_size=\(20, 200\) .*canvas=\(160, 120\)'):
        DATASETS.build(composites(target_size=(20, 200)))


def test_a_bent_target_keeps_its_size_and_its_box_is_still_that_of_what_is_painted(
        composites, without_light_and_camera):
    stiff, bent = (DATASETS.build(composites(static_fraction=0, max_distractors=0, occlusion=0, bend=bend))
                   for bend in (0, 0.06))
    ratios = []
    for seed in range(60):
        pairs = [source.draw_pair(np.random.default_rng(seed)) for source in (stiff, bent)]
        if None in pairs or any('train_a' in pair['source'][-1] for pair in pairs):
            continue
        for side in ('template', 'search'):
            np.testing.assert_allclose(pairs[1][side]['bbox'], green_box(pairs[1][side]['img']), atol=1)
        ratios.append(pairs[1]['template']['bbox'][2:].prod() / pairs[0]['template']['bbox'][2:].prod())
    assert len(ratios) > 15 and np.std(ratios) > 0.03 and abs(np.mean(ratios) - 1) < 0.12
