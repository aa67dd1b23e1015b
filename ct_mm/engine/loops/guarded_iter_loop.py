"""MMEngine's iteration-based training loop, guarded."""
from __future__ import annotations

from typing import Any

from mmengine.runner import IterBasedTrainLoop

from ct_mm.registry import LOOPS

from .guarded_loop import GuardedLoop


@LOOPS.register_module()
class GuardedIterLoop(GuardedLoop, IterBasedTrainLoop):
    """A guarded ``IterBasedTrainLoop``, see :class:`GuardedLoop`. MMEngine itself restores its position in the data.

    Args:
        runner: The runner.
        dataloader: The training data loader or its config.
        skip_bad_steps: See :class:`GuardedLoop`. Defaults to 0.
        **kwargs: ``max_iters`` and the other arguments of ``IterBasedTrainLoop``.
    """

    def run_iter(self, data_batch: Any) -> None:
        """Runs one iteration."""
        self.run_step(self._iter, data_batch)
