"""MMEngine's epoch-based training loop, guarded and exactly resumable within an epoch."""
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
    """A guarded ``EpochBasedTrainLoop`` that resumes within an epoch, see :class:`GuardedLoop`.

    MMEngine's loop restarts the epoch in which a checkpoint was saved and skips an unfinished validation. Here every
    checkpoint stores the number of batches done in the epoch and whether a validation is due.

    Args:
        runner: The runner.
        dataloader: The training data loader or its config. Its order within an epoch must be reproducible.
        skip_bad_steps: See :class:`GuardedLoop`. Defaults to 0.
        **kwargs: ``max_epochs`` and the other arguments of ``EpochBasedTrainLoop``.
    """

    def train(self) -> torch.nn.Module:
        """Trains and validates.

        Returns:
            The model.

        Raises:
            ValueError: If a checkpoint from within an epoch is resumed with another number of batches per epoch.
        """
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
        """Runs one epoch.

        Args:
            first: Index of the first batch to train on.
        """
        self.runner.call_hook('before_train_epoch')
        self.runner.model.train()
        for idx, data_batch in enumerate(rest_of_epoch(self.dataloader, first), first):
            self.run_iter(idx, data_batch)
        self._note_position(self._epoch + 1, 0, self._validation_due(self._epoch + 1))
        self.runner.call_hook('after_train_epoch')
        self._epoch += 1

    def run_iter(self, idx: int, data_batch: Any) -> None:
        """Runs one iteration."""
        self.run_step(idx, data_batch)

    def note_progress(self, batches_done: int) -> None:
        """Records the position in the epoch for the checkpoints saved next."""
        self._note_position(self._epoch, batches_done, False)

    def _note_position(self, epoch: int, batch: int, validate: bool) -> None:
        position = dict(epoch=epoch, batch=batch, batches=len(self.dataloader), validate=validate)
        self.runner.message_hub.update_info('position', position)

    def _saved_position(self) -> tuple[int, bool]:
        """The number of batches done in the current epoch, and whether the validation before it is due."""
        position = self.runner.message_hub.get_info('position') if self._iter else None
        if position is None or position['epoch'] != self._epoch:
            return 0, False  # a new training, or a checkpoint of another loop
        if position['batch'] and position['batches'] != len(self.dataloader):
            raise ValueError(
                f'the checkpoint was taken after {position["batch"]} of the {position["batches"]} batches of epoch '
                f'{self._epoch + 1}, but an epoch has {len(self.dataloader)} batches here. Resume with the same batch '
                f'size, number of processes and dataset length, or from a checkpoint saved at the end of an epoch')
        validate = position['validate'] and self.runner.val_loop is not None
        return position['batch'], validate

    def _validation_due(self, epochs: int) -> bool:
        self.val_interval = self.dynamic_intervals[bisect(self.dynamic_milestones, epochs + 1) - 1]
        return self.runner.val_loop is not None and epochs >= self.val_begin and (
            epochs % self.val_interval == 0 or epochs == self._max_epochs)

    def _validate(self) -> None:
        self._note_position(self._epoch, 0, False)  # for the best checkpoint, which is saved after the validation
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
    """Stops a validation between two steps and discards its results. With several ranks it is completed first."""

    def __init__(self, loop: GuardedEpochLoop) -> None:
        self.loop = loop

    def after_val_iter(self, runner: Runner, *args: Any, **kwargs: Any) -> None:
        if self.loop.signals.received and self.loop.may_stop and get_world_size() == 1:
            raise Interrupted
