"""LocalCache makes values once, and its copies are empty."""
import copy
import pickle

import pytest

from ct_mm.tracking.datasets.pairs.worker_memory import LocalCache


@pytest.mark.parametrize('carry', [copy.deepcopy, lambda cache: pickle.loads(pickle.dumps(cache))])
def test_values_are_made_once_and_are_not_copied(carry):
    cache, made = LocalCache(), []
    make = lambda key: made.append(key) or [key]  # noqa: E731
    assert cache.get_or_make('a', make) is cache.get_or_make('a', make)
    assert cache.get_or_make(0, make) == [0] and made == ['a', 0]
    there = carry(dict(cache=cache))['cache']
    assert type(there) is LocalCache and not there and len(cache) == 2
    assert there.get_or_make('a', make) == ['a'] and made == ['a', 0, 'a']
