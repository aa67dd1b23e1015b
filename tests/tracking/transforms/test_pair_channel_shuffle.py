import numpy as np
import pytest

from ct_mm.tracking.transforms import PairChannelShuffle


def pair(rng):
    image = np.arange(2 * 3 * 3, dtype=np.uint8).reshape(2, 3, 3)
    return dict(rng=rng, template=dict(img=image), search=dict(img=image + 100))


def test_both_images_are_permuted_alike_and_all_permutations_occur():
    rng, seen = np.random.default_rng(0), set()
    for _ in range(100):
        results = PairChannelShuffle(prob=1.0).transform(pair(rng))
        template, search = results['template']['img'], results['search']['img']
        np.testing.assert_array_equal(template + 100, search)
        seen.add(tuple(template[0, 0].tolist()))
    assert len(seen) == 6


def test_probability():
    rng = np.random.default_rng(0)
    shuffle, before = PairChannelShuffle(prob=0.6), pair(rng)['search']['img']
    kept = [np.array_equal(shuffle.transform(pair(rng))['search']['img'], before) for _ in range(600)]
    assert np.mean(kept) == pytest.approx(0.4 + 0.6 / 6, abs=0.06)
    with pytest.raises(ValueError, match='prob'):
        PairChannelShuffle(prob=2)
