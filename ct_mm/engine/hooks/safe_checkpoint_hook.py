"""A checkpoint hook that keeps every training resumable."""
from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from mmengine.dist import broadcast, broadcast_object_list, is_main_process
from mmengine.fileio import LocalBackend
from mmengine.hooks import CheckpointHook
from mmengine.logging import print_log
from mmengine.model import is_model_wrapper
from mmengine.runner import Runner, find_latest_checkpoint
from torch import nn

from ct_mm.engine.checkpoints.reading import bytes_of_model, let_mmengine_read_safely
from ct_mm.engine.checkpoints.resume import (
    check_resumable,
    check_training,
    describe_config,
    newest_whole,
    resume_facts,
    training_files,
)
from ct_mm.engine.checkpoints.verified_backend import verified
from ct_mm.engine.loops.bad_steps import BAD_STEPS
from ct_mm.engine.loops.guarded_loop import INTERRUPTED
from ct_mm.engine.whole_file import remove_unfinished, write_text
from ct_mm.registry import HOOKS
from ct_mm.settings import accepted_by, check_settings


@HOOKS.register_module()
class SafeCheckpointHook(CheckpointHook):
    """A drop-in ``CheckpointHook`` that always leaves a whole checkpoint on the disk.

    The hook writes a checkpoint under a temporary name, reads it back and renames it; only then does it remove older
    checkpoints. It never saves NaN or infinite weights. ``--resume`` continues from the newest whole checkpoint,
    regardless of ``last_checkpoint``, and only if that checkpoint belongs to this training. Loading a checkpoint never
    runs code from it.

    In remote folders, checkpoints are written and searched for as MMEngine does it.

    Args:
        *args: Arguments of ``CheckpointHook``: ``interval``, ``by_epoch``, ``max_keep_ckpts``, ``save_best``, ...
        **kwargs: Keyword arguments of ``CheckpointHook``.

    Raises:
        ValueError: If an argument is unknown or of a wrong type; ``CheckpointHook`` keeps it until the first save.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        known = accepted_by(CheckpointHook)
        check_settings(dict(zip(known, args), **kwargs), known, 'default_hooks.checkpoint.')
        super().__init__(*args, **kwargs)

    def before_run(self, runner: Runner) -> None:
        """Chooses the checkpoint to resume from, before MMEngine does.

        Raises:
            ValueError: If the named checkpoint is damaged, or if all checkpoints are.
        """
        size = bytes_of_model(_model(runner))
        let_mmengine_read_safely(size)
        if not runner._resume:
            return
        chosen = [runner._load_from, None]
        if is_main_process():
            try:
                chosen[0] = self._choose(runner, size)
            except ValueError as error:
                chosen[1] = str(error)
        broadcast_object_list(chosen)
        runner._load_from, error = chosen
        if error is not None:
            raise ValueError(error)
        start = runner.cfg.get('start_from')
        if start and runner._load_from is None and find_latest_checkpoint(runner.work_dir) is None:
            print_log(f'nothing to resume in {runner.work_dir}: starting from load_from={start!r}', 'current')
            runner._resume, runner._load_from = False, start

    def before_train(self, runner: Runner) -> None:
        """Prepares the folder and removes unfinished files of killed processes."""
        super().before_train(runner)
        if self.file_client_args is None and type(self.file_backend) is LocalBackend:
            self.backend_args = verified(self.out_dir, self.backend_args)
            if is_main_process():
                for folder in {self.out_dir, runner.work_dir}:
                    remove_unfinished(folder, '*.pth', 'last_checkpoint', BAD_STEPS)

    def before_val_epoch(self, runner: Runner) -> None:
        """Gives all ranks the buffers of rank 0, such as statistics of batch norms, because these are saved."""
        for buffer in _model(runner).buffers():
            broadcast(buffer)

    def after_load_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """Checks that the checkpoint belongs to this training before any of it is used.

        Raises:
            ValueError: If it does not.
        """
        if runner._resume:
            if 'run' not in checkpoint.get('meta', {}):  # nothing tells which losses were switched off since
                scalars = checkpoint.get('message_hub', {}).get('log_scalars', {})
                for name in [name for name in scalars if name.startswith('train/')]:
                    del scalars[name]
            noted = check_resumable(checkpoint, _model(runner), runner.cfg)
            if noted:
                lines = ''.join(f'\n  {line}' for line in noted)
                print_log(f'resuming with settings that differ from the checkpoint (the saved optimizer and scheduler '
                          f'state takes precedence):{lines}', 'current', logging.WARNING)

    def before_save_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """Adds the config as plain data that can be read without running code, and the facts that the model reports."""
        checkpoint['meta'].update(run=describe_config(runner.cfg), facts=resume_facts(_model(runner)))

    def _save_checkpoint_with_step(self, runner: Runner, step: int, meta: dict) -> None:
        """Saves first and then removes outdated checkpoints; ``CheckpointHook`` removes them first."""
        _refuse_bad_weights(_model(runner), self.last_ckpt)
        outdated = []
        if self.max_keep_ckpts > 0 and step not in self.keep_ckpt_ids:
            outdated = list(self.keep_ckpt_ids)[:len(self.keep_ckpt_ids) + 1 - self.max_keep_ckpts]
            self.keep_ckpt_ids.append(step)  # a bounded deque: it drops its first entries
            # Includes the outdated ones: if the process is killed before it removes them, `before_train` does.
            runner.message_hub.update_info('keep_ckpt_ids', [*outdated, *self.keep_ckpt_ids])
        name = self.filename_tmpl.format(step)
        self.last_ckpt = self.file_backend.join_path(self.out_dir, name)
        runner.message_hub.update_info('last_ckpt', self.last_ckpt)
        runner.save_checkpoint(
            self.out_dir, name, self.file_client_args, save_optimizer=self.save_optimizer,
            save_param_scheduler=self.save_param_scheduler, meta=meta, by_epoch=self.by_epoch,
            backend_args=self.backend_args, **self.args)
        if is_main_process():
            write_text(Path(runner.work_dir) / 'last_checkpoint', self.last_ckpt, durable=True)
            for name in [*map(self.filename_tmpl.format, outdated), INTERRUPTED]:
                path = self.file_backend.join_path(self.out_dir, name)
                if self.file_backend.isfile(path):
                    self.file_backend.remove(path)

    def _save_best_checkpoint(self, runner: Runner, metrics: dict) -> None:
        if self.save_best:
            _refuse_bad_weights(_model(runner), self.last_ckpt)
        with self._removals_at_the_end():
            super()._save_best_checkpoint(runner, metrics)

    @contextmanager
    def _removals_at_the_end(self) -> Iterator[None]:
        backend, later = self.file_backend, _RemovesLater(self.file_backend)
        self.file_backend = later
        try:
            yield
        finally:
            self.file_backend = backend
        kept = {getattr(self, 'best_ckpt_path', None), *getattr(self, 'best_ckpt_path_dict', {}).values()}
        for path in later.paths:
            if path not in kept and backend.isfile(path):
                backend.remove(path)

    def _choose(self, runner: Runner, size: int) -> str | None:
        named = runner._load_from
        if named is not None and Path(named).is_dir():
            found = newest_whole(training_files(named, self.filename_tmpl, INTERRUPTED), size)
            if found is None:
                raise ValueError(f'--resume {named}: this folder holds no checkpoint {self.filename_tmpl.format("N")} '
                                 f'or {INTERRUPTED}; name a checkpoint, or the work dir of a training')
            return str(found.path)
        folder = runner.work_dir if self.out_dir is None else str(Path(self.out_dir, Path(runner.work_dir).name))
        if '://' in str(named or self.out_dir or ''):
            return named
        if named is None:
            found = newest_whole(training_files(folder, self.filename_tmpl, INTERRUPTED), size)
            if found is not None and found.damaged:
                print_log(found.warning, 'current', logging.WARNING)
            return None if found is None else str(found.path)
        try:
            check_training(named, size)
        except ValueError as error:
            folder = Path(named).parent
            others = [file for file in training_files(folder, self.filename_tmpl, INTERRUPTED) if file != Path(named)]
            try:
                found = newest_whole(others, size)
            except ValueError:
                found = None
            beside = f'{found.path} is whole, with {found.iteration} iterations' if found else 'no other one is whole'
            raise ValueError(f'{error}. {beside}; --resume without a file uses the newest whole one') from error
        return named


class _RemovesLater:
    """A file backend that records which files to remove instead of removing them."""

    def __init__(self, backend: Any) -> None:
        self.backend, self.paths = backend, []

    def remove(self, path: str) -> None:
        self.paths.append(path)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.backend, name)


def _model(runner: Runner) -> nn.Module:
    return runner.model.module if is_model_wrapper(runner.model) else runner.model


def _refuse_bad_weights(model: nn.Module, last: str | None) -> None:
    bad = [name for name, value in model.named_parameters() if not bool(torch.isfinite(value).all())]
    if bad:
        raise FloatingPointError(
            f'{len(bad)} weights are NaN or infinite, the first one is {bad[0]}; they are not saved. '
            f'{f"The last good checkpoint is {last}" if last else "No checkpoint was saved before"}. The loss was '
            f'finite but a gradient was not: set optim_wrapper.clip_grad or lower the learning rate')
