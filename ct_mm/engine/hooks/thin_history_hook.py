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

    MMEngine copies the whole history of a value for each new entry. After 200,000 iterations this takes about 10 ms per
    iteration for a typical log, and every checkpoint contains the histories. A merged entry is the sum of two entries
    and counts as two, so means over the whole training do not change. Recent entries are not merged.

    Args:
        limit: Length at which a history is thinned.
        recent: Number of most recent entries that are not merged; at least the longest logged window.

    Raises:
        ValueError: If not ``0 < recent < limit - 1``.
    """

    priority = 'VERY_LOW'  # after all other hooks have logged

    def __init__(self, limit: int = 10000, recent: int = 4000) -> None:
        if not 0 < recent < limit - 1:
            raise ValueError(f'ThinHistoryHook: recent={recent} must be above 0 and below limit - 1, limit={limit}')
        self.limit, self.recent = limit, recent

    def after_train_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: Any = None) -> None:
        """Thins the histories that have reached ``limit``."""
        histories = runner.message_hub.log_scalars
        for name, buffer in histories.items():
            values, counts = buffer.data
            if len(values) >= self.limit:
                histories[name] = HistoryBuffer(self._thinned(values), self._thinned(counts))

    def _thinned(self, entries: np.ndarray) -> np.ndarray:
        old = (len(entries) - self.recent) // 2 * 2
        return np.concatenate([entries[:old].reshape(-1, 2).sum(1), entries[old:]])
