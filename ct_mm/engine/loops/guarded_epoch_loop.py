"""MMEngine's loop of epochs, guarded, and exact when it goes on within one."""
from __future__ import annotations

from bisect import bisect
from typing import Any

import torch
from mmengine.dist import get_world_size
from mmengine.hooks import Hook
from mmengine.runner import EpochBasedTrainLoop, Runner

from ct_mm.registry import LOOPS

from .data_workers import rest_of_epoch
from .guarded_loop import GuardedLoop
from .stop_signals import Interrupted


@LOOPS.register_module()
class GuardedEpochLoop(GuardedLoop, EpochBasedTrainLoop):
    """``EpochBasedTrainLoop`` with what :class:`GuardedLoop` adds, going on where a checkpoint was taken.

    MMEngine's loop begins the epoch of such a checkpoint anew, and leaves out a validation that was not finished. Here
    each checkpoint, whoever writes it, holds the number of batches done in the epoch and whether a validation is due.

    Args:
        runner: The runner.
        dataloader: The training data, or their config. In an epoch they must come in the same order each time.
        skip_bad_steps: See :class:`GuardedLoop`. Defaults to 0.
        **kwargs: ``max_epochs`` and the other arguments of ``EpochBasedTrainLoop``.
    """

    def train(self) -> torch.nn.Module:
        """Trains and validates."""
        self.runner.call_hook('before_train')
        first, validate = self._saved_position()
        if validate:
            self._validate()
        while self._epoch < self._max_epochs and not self.stop_training:
            self.run_epoch(first)
            first = 0
            if self._validation_due(self._epoch):
                self._validate()
        self.runner.call_hook('after_train')
        return self.runner.model

    def run_epoch(self, first: int = 0) -> None:
        """One epoch.

        Args:
            first: Number of its first batch.
        """
        self.runner.call_hook('before_train_epoch')
        self.runner.model.train()
        for idx, data_batch in enumerate(rest_of_epoch(self.dataloader, first), first):
            self.run_iter(idx, data_batch)
        self._note_position(self._epoch + 1, 0, self._validation_due(self._epoch + 1))
        self.runner.call_hook('after_train_epoch')
        self._epoch += 1

    def run_iter(self, idx: int, data_batch: Any) -> None:
        """One iteration."""
        self.run_step(idx, data_batch)

    def note_progress(self, batches_done: int) -> None:
        """Keeps the position in the epoch for whoever saves now."""
        self._note_position(self._epoch, batches_done, False)

    def _note_position(self, epoch: int, batch: int, validate: bool) -> None:
        position = dict(epoch=epoch, batch=batch, batches=len(self.dataloader), validate=validate)
        self.runner.message_hub.update_info('position', position)

    def _saved_position(self) -> tuple[int, bool]:
        """How many batches of the current epoch are done, and whether the validation before it is due."""
        position = self.runner.message_hub.get_info('position') if self._iter else None
        if position is None or position['epoch'] != self._epoch:
            return 0, False  # a new training, or a checkpoint that another loop wrote
        if position['batch'] and position['batches'] != len(self.dataloader):
            raise ValueError(
                f'the checkpoint was taken after {position["batch"]} of the {position["batches"]} batches of epoch '
                f'{self._epoch + 1}, but an epoch has {len(self.dataloader)} batches here. Go on with the batch size, '
                f'number of processes and length of the data of before, or from a checkpoint at the end of an epoch')
        validate = position['validate'] and self.runner.val_loop is not None
        return position['batch'], validate

    def _validation_due(self, epochs: int) -> bool:
        self.val_interval = self.dynamic_intervals[bisect(self.dynamic_milestones, epochs + 1) - 1]
        return self.runner.val_loop is not None and epochs >= self.val_begin and (
            epochs % self.val_interval == 0 or epochs == self._max_epochs)

    def _validate(self) -> None:
        self._note_position(self._epoch, 0, False)  # for the best checkpoint, which is saved when it is through
        watch = _StopValidation(self)
        self.runner.hooks.append(watch)
        try:
            self.runner.val_loop.run()
        except Interrupted:
            self._note_position(self._epoch, 0, True)
        finally:
            self.runner.hooks.remove(watch)
        self.stop_if_asked()


class _StopValidation(Hook):
    """Ends a validation between two of its steps; nothing of it is kept. With several ranks it is finished first."""

    def __init__(self, loop: GuardedEpochLoop) -> None:
        self.loop = loop

    def after_val_iter(self, runner: Runner, *args: Any, **kwargs: Any) -> None:
        if self.loop.signals.received and self.loop.may_stop and get_world_size() == 1:
            raise Interrupted
