"""Fits the student's layers to their stages before the first step."""
from __future__ import annotations

from collections.abc import Sequence

import torch
from mmengine.dist import broadcast
from mmengine.hooks import Hook
from mmengine.logging import print_log
from mmengine.runner import Runner
from torch import Tensor

from ct_mm.registry import HOOKS

from ..batch import run_model, training_batch
from ..distillation.replacement_distiller import ReplacementDistiller
from ..distillation.taps import first_tensor, tap_outputs
from ..layers.stage_fit import explained_variance, fit_stage

#: Names of the layers that write into the residual stream, in most ViTs.
WRITERS = ('attn.proj', 'mlp.fc2')


@HOOKS.register_module()
class StageFitHook(Hook):
    """Starts training from layers fitted in closed form instead of copied ones.

    This is not part of CompressTracker. The residual branches of each teacher layer of a stage are refitted, by least
    squares on training data, to what the whole stage adds to the stream; the student's layer starts from the best one.
    A resumed run is not fitted again.

    Args:
        samples: Training samples to fit on.
        batch_size: Samples of one forward pass.
        writers: Names, inside a block, of the linear layers that write into the residual stream, in order. Default:
            the block's attribute ``writers``, or else ``attn.proj`` and ``mlp.fc2``.

    Raises:
        ValueError: If ``samples`` or ``batch_size`` is below 1.
    """

    priority = 'VERY_LOW'  # after ct_mm.StudentExportHook has stored the student as copied

    def __init__(self, samples: int = 256, batch_size: int = 32, writers: Sequence[str] | None = None) -> None:
        if samples < 1 or batch_size < 1:
            raise ValueError(f'compress.fit: samples={samples} and batch_size={batch_size} must be at least 1')
        self.samples, self.batch_size, self.writers = samples, batch_size, writers

    def before_train(self, runner: Runner) -> None:
        """Fits stage after stage, each on what the fitted stages before it return."""
        if runner.iter > 0:
            return
        distiller = ReplacementDistiller.of(runner)
        stacks = distiller.divided.stacks
        if any(stack.has_adapters or any(stack.notes) for stack in stacks):
            raise ValueError('compress.fit needs student layers of the same shape as the teacher has: remove '
                             'compress.fit or compress.student')
        if not hasattr(runner.train_dataloader.dataset, '__getitem__'):
            raise ValueError('compress.fit reads training data by index, but this data set cannot: remove compress.fit')
        lines = [f'\nStudent layers fitted to their stages on {self.samples} samples: share of the variance explained '
                 f'(R2)', 'stage  copied  fitted  starts from']
        try:
            entries, targets = self._streams(runner, distiller)
        except IndexError as error:
            raise ValueError(f'compress.fit.samples={self.samples} exceeds the training data: {error}; reduce it'
                             ) from error
        for stack, streams in zip(stacks, entries):
            blocks = stack.place.of(distiller.teacher)
            writers = self.writers or getattr(blocks[0], 'writers', WRITERS)
            for part, layer in zip(stack.plan.parts, stack.student_layers):
                target = targets.pop(0)
                with torch.no_grad(), runner.optim_wrapper.optim_context(runner.model):
                    copied = explained_variance([layer.eval()(stream) for stream in streams], target)
                    index, fitted, score, streams = fit_stage([blocks[i] for i in part], streams, target, writers)
                layer.load_state_dict(fitted.state_dict())
                for value in layer.state_dict().values():
                    broadcast(value)  # nodes of different kinds round differently
                lines.append(f'{len(lines) - 2:5d}{copied:8.3f}{score:8.3f}  layer {part[index]}')
        runner.model.train()
        print_log('\n'.join(lines), 'current')

    @torch.no_grad()
    def _streams(self, runner: Runner, distiller: ReplacementDistiller) -> tuple[list[list], list[list]]:
        """Collects batch by batch what enters each stack of the teacher, and what leaves each part of its stages."""
        stacks = [(stack.place.of(distiller.teacher), stack.plan) for stack in distiller.divided.stacks]
        firsts = [blocks[0] for blocks, _ in stacks]
        ends = [blocks[place] for blocks, plan in stacks for place in plan.student_places]
        entries: list[list[Tensor]] = [[] for _ in firsts]
        targets: list[list[Tensor]] = [[] for _ in ends]
        for start in range(0, self.samples, self.batch_size):
            draws = range(start, min(start + self.batch_size, self.samples))
            batch = training_batch(runner.train_dataloader, distiller.data_preprocessor, draws)
            with runner.optim_wrapper.optim_context(runner.model), tap_outputs(ends) as outputs, \
                    tap_outputs(firsts, with_inputs=True) as entered:
                run_model(distiller.teacher, batch, 'tensor')
            for entry, block, [(args, kwargs, _), *_] in zip(entries, firsts, entered):
                if len(args) != 1 or kwargs:
                    raise ValueError(f'compress.fit supports only blocks that take nothing but tokens; '
                                     f'{type(block).__name__} takes {len(args)} arguments and '
                                     f'{", ".join(kwargs) or "no keywords"}: remove compress.fit')
                entry.append(args[0])
            for i, (target, calls) in enumerate(zip(targets, outputs)):
                target.append(first_tensor(calls[-1], f'part {i}'))
        return entries, targets
