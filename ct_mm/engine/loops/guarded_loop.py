"""The shared part of the guarded training loops."""
from __future__ import annotations

import logging
import signal
from pathlib import Path
from typing import Any

import torch
from mmengine.dist import barrier, is_main_process
from mmengine.hooks import CheckpointHook
from mmengine.logging import print_log
from mmengine.model import is_model_wrapper
from mmengine.optim import OptimWrapper
from mmengine.runner import Runner
from torch.utils.data import DataLoader

from ct_mm.engine.checkpoints.verified_backend import verified
from ct_mm.engine.finite import BadLossError
from ct_mm.engine.whole_file import write_text
from ct_mm.engine.work_dir_lock import only_training_in
from ct_mm.settings import accepted_by, check_settings, checked

from .bad_steps import BadSteps
from .checked_optim import CheckedOptim, any_rank
from .data_workers import build_shielded, deaths_explained
from .stop_signals import Interrupted, StopSignals

#: File of a training that was stopped between two regular checkpoints.
INTERRUPTED = 'interrupted.pth'


@checked
class GuardedLoop:
    """A mixin that guards one of MMEngine's training loops; list it before the loop among the base classes.

    On SIGTERM, SIGUSR1 or Ctrl+C all ranks finish the current step, save everything as ``interrupted.pth`` and exit
    with 75. A NaN or infinite loss stops the training before its gradient is computed, or all ranks skip the step. If
    a data worker dies, the error names the sample it was making.

    Args:
        runner: The runner.
        dataloader: The training data loader or its config.
        skip_bad_steps: Maximum number of steps with a bad loss to skip in the whole training before it stops. A
            skipped step changes no weight, gradient, optimizer state or buffer. It counts as an iteration, so the
            learning rates and the data of all other iterations stay the same.
        **kwargs: Arguments of the loop.

    Raises:
        ValueError: If an argument is wrong, or the training would not make a single step.
    """

    def __init__(self, runner: Runner, dataloader: DataLoader | dict, skip_bad_steps: int = 0, **kwargs: Any) -> None:
        check_settings(kwargs, accepted_by(super().__init__.__func__), 'train_cfg.')
        super().__init__(runner, build_shielded(runner, dataloader), **kwargs)
        self.bad_steps = BadSteps(runner, skip_bad_steps)
        self.signals = StopSignals()

    def run(self) -> torch.nn.Module:
        """Trains.

        Returns:
            The model.

        Raises:
            Interrupted: A signal stopped the training; everything is saved.
            BadLossError: A loss is NaN or infinite and its step may not be skipped.
            RuntimeError: A data worker died; names its sample.
            ValueError: Another training is running in this work dir.
        """
        with only_training_in(self.runner.work_dir), self.signals, deaths_explained(self.dataloader):
            return self.train()

    def train(self) -> torch.nn.Module:
        """Runs the loop without the guards of ``run``."""
        return super().run()

    def run_step(self, batch_idx: int, data_batch: Any) -> None:
        """Runs one iteration, then stops if a signal was received.

        Args:
            batch_idx: Batch index passed to the hooks.
            data_batch: The batch.
        """
        self.runner.call_hook('before_train_iter', batch_idx=batch_idx, data_batch=data_batch)
        outputs = self._train_step(data_batch)
        self.note_progress(batch_idx + 1)
        self.runner.call_hook('after_train_iter', batch_idx=batch_idx, data_batch=data_batch, outputs=outputs)
        self._iter += 1
        self.stop_if_asked()

    def note_progress(self, batches_done: int) -> None:
        """Called after each step, before the hooks that may save a checkpoint. A loop may record its position here."""

    def _train_step(self, data_batch: Any) -> dict:
        optim = self.runner.optim_wrapper
        checked = CheckedOptim(optim) if isinstance(optim, OptimWrapper) else None
        model = self.runner.model.module if is_model_wrapper(self.runner.model) else self.runner.model
        buffers = [(buffer, buffer.clone()) for buffer in model.buffers()] if self.bad_steps.limit else []
        try:
            return self.runner.model.train_step(data_batch, optim_wrapper=checked or optim)
        except BadLossError as error:
            if checked is not None and not checked.agreed:
                any_rank(True)  # the other ranks ask in update_params
            self.bad_steps.add(error, data_batch)
        with torch.no_grad():
            for buffer, before in buffers:  # the batch norm statistics have seen the batch
                buffer.copy_(before)
        return {}

    @property
    def may_stop(self) -> bool:
        """Whether no accumulated gradients are pending, which a checkpoint would lose."""
        optim = self.runner.optim_wrapper
        return not isinstance(optim, OptimWrapper) or optim.should_update()

    def stop_if_asked(self) -> None:
        """Saves and stops if any rank received a signal; pending gradients are applied first.

        Raises:
            Interrupted: After everything was saved.
        """
        number = self.signals.agreed()
        if not number or not self.may_stop:
            return
        path = self.save()
        print_log(f'stopped by {signal.Signals(number).name} after iteration {self._iter}; continue with --resume. '
                  f'Everything is saved in {path}', 'current', logging.WARNING)
        raise Interrupted

    def save(self) -> str:
        """Saves the state of the training between two steps.

        Returns:
            The path of the checkpoint.
        """
        hook = next((hook for hook in self.runner.hooks if isinstance(hook, CheckpointHook)), None)
        folder = self.runner.work_dir if hook is None else hook.out_dir
        self.runner.save_checkpoint(
            folder, INTERRUPTED, meta=dict(epoch=self._epoch, iter=self._iter),
            backend_args=verified(folder, None if hook is None else hook.backend_args))
        path = f'{folder}/{INTERRUPTED}'
        if is_main_process():
            write_text(Path(self.runner.work_dir) / 'last_checkpoint', path, durable=True)
        barrier()  # a launcher kills all ranks when one of them exits
        return path
