"""Keeps the histories of logged values short."""
from __future__ import annotations

from typing import Any

import numpy as np
from mmengine.hooks import Hook
from mmengine.logging import HistoryBuffer
from mmengine.runner import Runner

from ct_mm.registry import HOOKS


@HOOKS.register_module()
class ThinHistoryHook(Hook):
    """Merges old entries of the message hub's histories in pairs.

    MMEngine copies the whole history of a value for each new entry: after 200,000 iterations that is about 10 ms an
    iteration for the values of a usual log, and the histories go into every checkpoint. A merged entry is the sum of
    two and counts as both, so means over the whole training stay what they were, and recent entries are left alone.

    Args:
        limit: Length at which a history is thinned.
        recent: How many of its last entries are not merged; at least the longest window that is logged.
    """

    priority = 'VERY_LOW'  # after all others have logged

    def __init__(self, limit: int = 10000, recent: int = 4000) -> None:
        if not 0 < recent < limit - 1:
            raise ValueError(f'ThinHistoryHook: recent={recent} must be above 0 and below limit - 1, limit={limit}')
        self.limit, self.recent = limit, recent

    def after_train_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: Any = None) -> None:
        """Thins what has become too long."""
        histories = runner.message_hub.log_scalars
        for name, buffer in histories.items():
            values, counts = buffer.data
            if len(values) >= self.limit:
                histories[name] = HistoryBuffer(self._thinned(values), self._thinned(counts))

    def _thinned(self, entries: np.ndarray) -> np.ndarray:
        old = (len(entries) - self.recent) // 2 * 2
        return np.concatenate([entries[:old].reshape(-1, 2).sum(1), entries[old:]])
