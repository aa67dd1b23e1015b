from types import SimpleNamespace

import numpy as np
import pytest
from mmengine.logging import MessageHub

from ct_mm.engine.hooks.thin_history_hook import ThinHistoryHook


def test_histories_stay_short_and_means_what_they_were():
    hub = MessageHub('thin')
    hook, values = ThinHistoryHook(limit=100, recent=20), np.random.default_rng(0).normal(size=1000)
    for value in values:
        hub.update_scalar('train/loss', float(value))
        if value > 0:
            hub.update_scalar('train/rare', float(value))
        hook.after_train_iter(SimpleNamespace(message_hub=hub), 0)
    for name, given in (('train/loss', values), ('train/rare', values[values > 0])):
        buffer = hub.get_scalar(name)
        assert len(buffer.data[0]) < 100 and buffer.data[1].sum() == len(given)
        assert buffer.mean() == pytest.approx(given.mean())
        assert buffer.mean(20) == pytest.approx(given[-20:].mean()) and buffer.current() == given[-1]


def test_a_limit_that_leaves_nothing_to_merge_is_refused():
    with pytest.raises(ValueError, match='recent=99'):
        ThinHistoryHook(limit=100, recent=99)
