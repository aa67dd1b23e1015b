"""Far targets: one factor for the pair, boxes to the fraction of a pixel."""
import numpy as np
import pytest

from ct_mm.tracking.transforms import PairDownscale


def pair(seed, box=(40., 30., 24., 16.)):
    """A white box on black, in frames of 120x90 and 60x90."""
    sides = []
    for width in (120, 60):
        x, y, w, h = (int(v) for v in box)
        image = np.zeros((90, width, 3), np.uint8)
        image[y:y + h, x:x + w] = 255
        sides.append(dict(img=image, bbox=np.array(box)))
    return dict(template=sides[0], search=sides[1], rng=np.random.default_rng(seed))


def mass(side):
    """Area and centre of what is white, in pixels: exact however coarse the frame."""
    share = side['img'][..., 0] / 255
    y, x = np.mgrid[:share.shape[0], :share.shape[1]] + 0.5
    return np.array([share.sum(), (share * x).sum() / share.sum(), (share * y).sum() / share.sum()])


def test_boxes_stay_on_the_target_and_both_frames_shrink_alike():
    factors = []
    for seed in range(30):
        results = PairDownscale(prob=1, max_factor=4, min_side=2, jpeg=0).transform(pair(seed, (30., 30., 24., 16.)))
        for side, width in ((results['template'], 120), (results['search'], 60)):
            x, y, w, h = side['bbox']
            np.testing.assert_allclose(mass(side), [w * h, x + w / 2, y + h / 2], rtol=0.02, atol=0.05)
            factors.append(width / side['img'].shape[1])
    factors = np.array(factors).reshape(-1, 2)
    assert (abs(factors[:, 0] / factors[:, 1] - 1) < 0.05).all()
    assert 1 <= factors.min() < 1.4 and 3 < factors.max() <= 4.2


def test_a_target_is_not_made_smaller_than_asked():
    for seed in range(20):
        results = PairDownscale(prob=1, max_factor=50, min_side=8, jpeg=1).transform(pair(seed))
        assert np.sqrt(results['search']['bbox'][2:].prod()) > 7.5
    small = pair(0, (10., 10., 6., 6.))
    assert PairDownscale(prob=1, min_side=8).transform(small)['search']['img'].shape == (90, 60, 3)


def test_only_template_boxes_are_rounded_to_whole_pixels():
    for seed in range(20):
        exact = PairDownscale(prob=1, max_factor=50, min_side=3).transform(pair(seed))
        whole = PairDownscale(prob=1, max_factor=50, min_side=3, whole_pixels=True).transform(pair(seed))
        box = whole['template']['bbox']
        assert (box == np.round(box)).all() and (box[2:] >= 1).all()
        assert abs(box[:2] - exact['template']['bbox'][:2]).max() <= 0.5
        np.testing.assert_array_equal(whole['search']['bbox'], exact['search']['bbox'])
        assert (exact['template']['bbox'] != np.round(exact['template']['bbox'])).any()
    thin = PairDownscale(prob=1, max_factor=50, min_side=1, whole_pixels=True).transform(pair(1, (40., 30., 60., 1.)))
    assert thin['template']['bbox'][3] == 1


def test_probability_and_bad_arguments():
    changed = [PairDownscale(prob=0.3).transform(pair(seed))['template']['img'].shape[1] < 120 for seed in range(300)]
    assert np.mean(changed) == pytest.approx(0.3, abs=0.08)
    for wrong in (dict(prob=2), dict(max_factor=0.5), dict(min_side=0), dict(jpeg=-1)):
        with pytest.raises(ValueError, match='PairDownscale'):
            PairDownscale(**wrong)
