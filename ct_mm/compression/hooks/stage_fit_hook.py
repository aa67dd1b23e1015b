"""Fits the student's layers to their stages before the first step."""
from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from mmengine.hooks import Hook
from mmengine.logging import print_log
from mmengine.runner import Runner
from torch import Tensor, nn

from ct_mm.registry import HOOKS

from ..batch import run_model, training_batch
from ..distillation.replacement_distiller import ReplacementDistiller
from ..distillation.taps import first_tensor, tap_inputs, tap_outputs
from ..layers.stage_fit import FittedStage, explained_variance, fit_stage
from .distiller_of import distiller_of


@HOOKS.register_module()
class StageFitHook(Hook):
    """Starts training from layers fitted in closed form instead of copied ones.

    Not part of CompressTracker. Each student layer starts from that teacher layer of its stage which fits best once
    its residual branches are refitted, by least squares, to what the whole stage adds to the stream. The batches come
    from the training data. A resumed run is not fitted again.

    Args:
        samples: Training samples to fit on.
        batch_size: Samples of one forward pass.
        writers: Names, inside a block, of the linear layers that write into the residual stream, in order.
    """

    priority = 'VERY_LOW'  # after ct_mm.StudentExportHook has kept the student as copied

    def __init__(self, samples: int = 256, batch_size: int = 32,
                 writers: Sequence[str] = ('attn.proj', 'mlp.fc2')) -> None:
        if samples < 1 or batch_size < 1:
            raise ValueError(f'compress.fit: samples={samples} and batch_size={batch_size} must be at least 1')
        self.samples, self.batch_size, self.writers = samples, batch_size, tuple(writers)

    def before_train(self, runner: Runner) -> None:
        """Fits stage after stage, each on what the fitted stages before it return."""
        if runner.iter > 0:
            return
        distiller = distiller_of(runner)
        stacks = distiller.divided.stacks
        if any(stack.has_adapters or any(stack.notes) for stack in stacks):
            raise ValueError('compress.fit starts from layers of the shape that the teacher has: remove compress.fit '
                             'or compress.student')
        if not hasattr(runner.train_dataloader.dataset, '__getitem__'):
            raise ValueError('compress.fit reads training data by index, which this data set does not offer: remove it')
        rows = []
        try:
            entries, targets = self._streams(runner, distiller)
        except IndexError as error:
            raise ValueError(f'compress.fit.samples={self.samples} is more than the training data have: {error}; '
                             f'lower it') from error
        for stack, streams in zip(stacks, entries):
            blocks = stack.blocks_of(distiller.teacher)
            for part, layer in zip(stack.plan.parts, stack.student_layers):
                target = targets.pop(0)
                with torch.no_grad(), runner.optim_wrapper.optim_context(runner.model):
                    copied = explained_variance([layer.eval()(stream) for stream in streams], target)
                    index, fitted, score, streams = fit_stage([blocks[i] for i in part], streams, target, self.writers)
                layer.load_state_dict(fitted.state_dict())
                rows.append(FittedStage(part[index], copied, score))
        runner.model.train()
        print_log(_table(rows, self.samples), 'current')

    @torch.no_grad()
    def _streams(self, runner: Runner, distiller: ReplacementDistiller) -> tuple[list[list], list[list]]:
        """Batch by batch what enters each stack of the teacher, and what leaves each part of its stages."""
        stacks = distiller.divided.stacks
        firsts = [stack.blocks_of(distiller.teacher)[0] for stack in stacks]
        ends = [stack.blocks_of(distiller.teacher)[place] for stack in stacks for place in stack.plan.student_places]
        entries: list[list[Tensor]] = [[] for _ in firsts]
        targets: list[list[Tensor]] = [[] for _ in ends]
        for start in range(0, self.samples, self.batch_size):
            draws = range(start, min(start + self.batch_size, self.samples))
            batch = training_batch(runner.train_dataloader, distiller.data_preprocessor, draws)
            with runner.optim_wrapper.optim_context(runner.model), tap_inputs(firsts) as entered, \
                    tap_outputs(ends) as outputs:
                run_model(distiller.teacher, batch, 'tensor')
            for entry, block, calls in zip(entries, firsts, entered):
                entry.append(_only_argument(block, *calls[0]))
            for i, (target, calls) in enumerate(zip(targets, outputs)):
                target.append(first_tensor(calls[-1], f'part {i}'))
        return entries, targets


def _only_argument(block: nn.Module, args: tuple, kwargs: dict) -> Any:
    if len(args) != 1 or kwargs:
        raise ValueError(f'compress.fit works for blocks that take tokens and nothing else; {type(block).__name__} '
                         f'takes {len(args)} arguments and {", ".join(kwargs) or "no keywords"}: remove compress.fit')
    return args[0]


def _table(rows: Sequence[FittedStage], samples: int) -> str:
    lines = ['', f'Student layers fitted to their stages on {samples} samples: share of the variance explained (R2)',
             'stage  copied  fitted  starts from']
    lines += [f'{i:5d}{row.copied:8.3f}{row.fitted:8.3f}  layer {row.source}' for i, row in enumerate(rows)]
    return '\n'.join(lines)
