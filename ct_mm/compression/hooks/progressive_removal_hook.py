"""Lets the layers that the student lacks fade out instead of removing them at once.

References:
    MixFormerV2: Efficient Fully Transformer Tracking, arXiv 2305.15896, section 3.3 (progressive removal of layers).
"""
from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from mmengine.hooks import Hook
from mmengine.runner import Runner

from ct_mm.registry import HOOKS

from ..distillation.replacement_distiller import ReplacementDistiller
from ..division.divided_model import DividedModel
from ..division.fading import Fading


def removal_rate(step: int, length: int) -> float:
    """Computes the factor on the residual branches of the removed layers, half a cosine from 1 to 0.

    Args:
        step: Steps already done, from 0.
        length: Length of the fading in steps. The first step is already below 1, and the last but one is at 0, as in
            the released code.

    Returns:
        A factor in [0, 1].

    Examples:
        >>> [round(removal_rate(epoch, 40), 4) for epoch in (0, 19, 38, 100)]
        [0.9938, 0.4608, 0.0, 0.0]
    """
    return 0.5 * (1 + math.cos(math.pi * min(step + 2, length) / length))


def fade_removed_layers(divided: DividedModel, rate: float, writers: Sequence[str]) -> None:
    """Sets how much of the teacher's layers still runs where the student has none; 0 is nothing."""
    for slot in divided.slots:
        slot.fading = Fading(rate, tuple(writers)) if rate and slot.layer is None else None


@HOOKS.register_module()
class ProgressiveRemovalHook(Hook):
    """In each training step, runs the layers that the student lacks with fading residual branches.

    These layers are the teacher's, frozen and in eval mode. At the start teacher and student are equal; after the
    fading only the student is left. Validation and export always use the student alone. Give each stage as many
    student layers as should remain (``compress.layers_per_stage``) and let the student run all stages
    (``compress.replacement = dict(schedule='constant', initial=1.0)``).

    Args:
        length: Length of the fading.
        by_epoch: Whether it is counted in epochs or iterations.
        writers: Names of the layers in a block whose outputs are added to the stream.

    Raises:
        ValueError: If the length is below 1; before training, if a block lacks a writer, or ``compress.step`` compiles
            or recomputes blocks.
    """

    priority = 'VERY_LOW'  # after the summary, which counts the operations of the student alone

    def __init__(self, length: int = 40, by_epoch: bool = True,
                 writers: Sequence[str] = ('attn.proj', 'mlp.fc2')) -> None:
        if length < 1:
            raise ValueError(f'ProgressiveRemovalHook: length={length} must be at least 1')
        self.length, self.by_epoch, self.writers = length, by_epoch, tuple(writers)

    def before_train(self, runner: Runner) -> None:
        """Checks that the layers can fade."""
        distiller = ReplacementDistiller.of(runner)
        if distiller.block_runner.compile or distiller.block_runner.checkpoint:
            raise ValueError('ProgressiveRemovalHook changes what the blocks of the teacher compute in a part of the '
                             'step: remove compile and checkpoint from compress.step')
        for block in distiller.teacher_blocks:
            names = dict(block.named_modules())
            missing = [name for name in self.writers if name not in names]
            if missing:
                raise ValueError(f'ProgressiveRemovalHook: writers={list(self.writers)}: {type(block).__name__} has no '
                                 f'{", ".join(missing)}; name the layers that write into its residual stream')

    def before_train_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None) -> None:
        """Sets the factor of this iteration."""
        rate = removal_rate(runner.epoch if self.by_epoch else runner.iter, self.length)
        fade_removed_layers(ReplacementDistiller.of(runner).divided, rate, self.writers)
        runner.message_hub.update_scalar('train/removal_rate', rate)

    def after_train_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: Any = None) -> None:
        """Leaves the student alone again."""
        fade_removed_layers(ReplacementDistiller.of(runner).divided, 0.0, self.writers)
