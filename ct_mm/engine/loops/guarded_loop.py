"""What the guarded loops of epochs and of iterations share."""
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
    """Goes before one of MMEngine's training loops among the base classes.

    SIGTERM, SIGUSR1 and Ctrl+C are obeyed after the step at work: all ranks agree on it, everything is saved as
    ``interrupted.pth``, and the process exits with 75. A loss that is NaN or infinite stops the training before its
    gradient is computed, or the step is skipped on all ranks. A data worker that dies names the sample it was making.

    Args:
        runner: The runner.
        dataloader: The training data, or their config.
        skip_bad_steps: Most steps with a bad loss that are skipped, over the whole training, before it is stopped.
            Such a step changes no weight, gradient, optimizer state or buffer; it counts as an iteration, so learning
            rates and the data of all others stay as they are.
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
            Interrupted: A signal came; all is saved.
            BadLossError: A loss is no number and its step may not be skipped.
            ValueError: Another training is running in this work dir.
        """
        with only_training_in(self.runner.work_dir), self.signals, deaths_explained(self.dataloader):
            return self.train()

    def train(self) -> torch.nn.Module:
        """What ``run`` does, unguarded."""
        return super().run()

    def run_step(self, batch_idx: int, data_batch: Any) -> None:
        """One iteration, then the end of the training if a signal asks for it.

        Args:
            batch_idx: Number of the batch, as the hooks are to see it.
            data_batch: The batch.
        """
        self.runner.call_hook('before_train_iter', batch_idx=batch_idx, data_batch=data_batch)
        outputs = self._train_step(data_batch)
        self.note_progress(batch_idx + 1)
        self.runner.call_hook('after_train_iter', batch_idx=batch_idx, data_batch=data_batch, outputs=outputs)
        self._iter += 1
        self.stop_if_asked()

    def note_progress(self, batches_done: int) -> None:
        """Called after each step and before the hooks that may save it. A loop may keep its position here."""

    def _train_step(self, data_batch: Any) -> dict:
        optim = self.runner.optim_wrapper
        checked = CheckedOptim(optim) if isinstance(optim, OptimWrapper) else None
        model = self.runner.model.module if is_model_wrapper(self.runner.model) else self.runner.model
        buffers = [(buffer, buffer.clone()) for buffer in model.buffers()] if self.bad_steps.limit else []
        try:
            return self.runner.model.train_step(data_batch, optim_wrapper=checked or optim)
        except BadLossError as error:
            if checked is not None and not checked.agreed:
                any_rank(True)  # the others ask in update_params
            self.bad_steps.add(error, data_batch)
        with torch.no_grad():
            for buffer, before in buffers:  # the statistics of batch norms saw the batch
                buffer.copy_(before)
        return {}

    @property
    def may_stop(self) -> bool:
        """Whether no accumulated gradients wait for an update; a checkpoint does not hold them."""
        optim = self.runner.optim_wrapper
        return not isinstance(optim, OptimWrapper) or optim.should_update()

    def stop_if_asked(self) -> None:
        """Saves and stops if a signal came to any rank; with accumulated gradients at the next update.

        Raises:
            Interrupted: After the save.
        """
        number = self.signals.agreed()
        if not number or not self.may_stop:
            return
        path = self.save()
        print_log(f'stopped by {signal.Signals(number).name} after iteration {self._iter}; go on with --resume. All is '
                  f'in {path}', 'current', logging.WARNING)
        raise Interrupted

    def save(self) -> str:
        """Saves the training as it is between two steps.

        Returns:
            The file.
        """
        hook = next((hook for hook in self.runner.hooks if isinstance(hook, CheckpointHook)), None)
        folder = self.runner.work_dir if hook is None else hook.out_dir
        self.runner.save_checkpoint(
            folder, INTERRUPTED, meta=dict(epoch=self._epoch, iter=self._iter),
            backend_args=verified(folder, None if hook is None else hook.backend_args))
        path = f'{folder}/{INTERRUPTED}'
        if is_main_process():
            write_text(Path(self.runner.work_dir) / 'last_checkpoint', path, durable=True)
        barrier()  # a launcher ends all ranks when one of them exits
        return path
