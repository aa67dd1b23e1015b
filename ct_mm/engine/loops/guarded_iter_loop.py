"""MMEngine's loop of iterations, guarded."""
from __future__ import annotations

from typing import Any

from mmengine.runner import IterBasedTrainLoop

from ct_mm.registry import LOOPS

from .guarded_loop import GuardedLoop


@LOOPS.register_module()
class GuardedIterLoop(GuardedLoop, IterBasedTrainLoop):
    """``IterBasedTrainLoop`` with what :class:`GuardedLoop` adds. That loop itself finds its place in the data.

    Args:
        runner: The runner.
        dataloader: The training data, or their config.
        skip_bad_steps: See :class:`GuardedLoop`. Defaults to 0.
        **kwargs: ``max_iters`` and the other arguments of ``IterBasedTrainLoop``.
    """

    def run_iter(self, data_batch: Any) -> None:
        """One iteration."""
        self.run_step(self._iter, data_batch)
