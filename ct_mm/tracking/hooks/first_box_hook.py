"""Checks the first boxes of an evaluation."""
from __future__ import annotations

from mmengine.hooks import Hook
from mmengine.runner import BaseLoop, Runner

from ct_mm.registry import HOOKS
from ct_mm.tracking.evaluation import SequenceTestLoop


@HOOKS.register_module()
class FirstBoxHook(Hook):
    """Checks, before any sequence is tracked, that a tracker can start on all sequences of a test or validation.

    ``ct_mm.SequenceTestLoop`` does so by itself, for the sequences that are not tracked yet.
    """

    def before_test(self, runner: Runner) -> None:
        """Checks the data of a test.

        Raises:
            ValueError: A first box lies outside of its frame, or a frame cannot be read; the message names each.
        """
        self._check(runner.test_loop)

    def before_val(self, runner: Runner) -> None:
        """Checks the data of a validation, see :meth:`before_test`."""
        self._check(runner.val_loop)

    @staticmethod
    def _check(loop: BaseLoop) -> None:
        check = getattr(loop.dataloader.dataset, 'check_starts', None)
        if check is not None and not isinstance(loop, SequenceTestLoop):
            check()
