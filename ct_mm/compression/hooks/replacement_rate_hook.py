"""Anneals the replacement rate and draws each step's path."""
from __future__ import annotations

from typing import Any

from mmengine.hooks import Hook
from mmengine.runner import Runner

from ct_mm.registry import HOOKS

from ..distillation.replacement import is_mixed_step, replacement_rate, sample_path
from ..distillation.replacement_distiller import ReplacementDistiller

#: Rate of the steps that train mixtures: all paths are equally likely.
MIXED_RATE = 0.5


@HOOKS.register_module()
class ReplacementRateHook(Hook):
    """Gives the distiller its path before each iteration and publishes ``train/replacement_rate``.

    Rate and path are pure functions of the iteration and the seed, so there is no state to save, and all ranks agree.

    Args:
        schedule: ``three_phase`` (the paper's), ``linear`` or ``constant``.
        initial: Rate of the first step.
        hold: Share of the training of the first phase, and of the last, in ``three_phase``.
        by_epoch: Whether the rate changes with epochs (the released code) or iterations; ``None`` means epochs if there
            are at least 10.
        seed: Seed of the paths.
        mixed_share: Share of the steps, drawn over the whole training, in which each stage is the student's with
            probability 0.5 instead of the rate, so that mixtures of student and teacher stay good to the end: for those
            who export hybrids. Each such step is missing in the training of the pure student.
    """

    priority = 'NORMAL'

    def __init__(self, schedule: str = 'three_phase', initial: float = 0.5, hold: float = 0.1,
                 by_epoch: bool | None = None, seed: int = 0, mixed_share: float = 0.0) -> None:
        replacement_rate(0, 1, schedule, initial, hold)  # raises an error for a wrong argument before training
        is_mixed_step(seed, 0, mixed_share)
        self.schedule, self.initial, self.hold = schedule, initial, hold
        self.by_epoch, self.seed, self.mixed_share = by_epoch, seed, mixed_share

    def rate(self, runner: Runner) -> float:
        """Returns the rate of the runner's current iteration."""
        epochs = runner.max_epochs or 0  # None in an iteration-based loop
        by_epoch = epochs >= 10 if self.by_epoch is None else self.by_epoch
        if by_epoch and not epochs:
            raise ValueError('replacement.by_epoch=True needs an epoch-based training loop')
        step, steps = (runner.epoch, epochs) if by_epoch else (runner.iter, runner.max_iters)
        return replacement_rate(step, steps, self.schedule, self.initial, self.hold)

    def before_train_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None) -> None:
        """Sets the path of this iteration."""
        distiller = ReplacementDistiller.of(runner)
        rate = self.rate(runner)
        mixed = is_mixed_step(self.seed, runner.iter, self.mixed_share)
        distiller.path = sample_path(self.seed, runner.iter, MIXED_RATE if mixed else rate,
                                     distiller.divided.num_stages)
        runner.message_hub.update_scalar('train/replacement_rate', rate)
