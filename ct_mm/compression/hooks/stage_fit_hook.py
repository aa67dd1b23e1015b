"""Fits the student's layers to their stages before the first step."""
from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from itertools import islice
from typing import Any

import torch
from mmengine.hooks import Hook
from mmengine.logging import print_log
from mmengine.runner import Runner
from torch import nn

from ct_mm.registry import HOOKS

from ..replacement_distiller import ReplacementDistiller
from ..stage_fit import FittedStage, explained_variance, fit_stage
from ..tap import first_tensor, tap_outputs
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

    def __init__(
        self,
        samples: int = 256,
        batch_size: int = 32,
        writers: Sequence[str] = ('attn.proj', 'mlp.fc2'),
    ) -> None:
        if samples < 1 or batch_size < 1:
            raise ValueError(f'compress.fit: samples={samples} and batch_size={batch_size} must be at least 1')
        self.samples, self.batch_size, self.writers = samples, batch_size, tuple(writers)

    def before_train(self, runner: Runner) -> None:
        """Fits stage after stage, each on what the fitted ones before it give."""
        if runner.iter > 0:
            return
        distiller = distiller_of(runner)
        if any(stack.has_adapters or any(stack.notes) for stack in distiller.stacks.values()):
            raise ValueError('compress.fit starts from layers of the shape that the teacher has: leave it or '
                             'compress.student out')
        rows = []
        for stack, blocks, entry, targets in self._streams(runner, distiller):
            streams = entry
            for part, layer, target in zip(stack.plan.parts, stack.student_layers, targets):
                with torch.no_grad(), runner.optim_wrapper.optim_context(runner.model):
                    copied = explained_variance([layer.eval()(stream) for stream in streams], target)
                    index, fitted, score, streams = fit_stage([blocks[i] for i in part], streams, target, self.writers)
                layer.load_state_dict(fitted.state_dict())
                rows.append(FittedStage(part[index], copied, score))
        runner.model.train()
        print_log(_table(rows, self.samples), 'current')

    @torch.no_grad()
    def _streams(self, runner: Runner, distiller: ReplacementDistiller) -> list[tuple]:
        """For each stack the teacher's blocks, and batch by batch what enters the first and what leaves each part."""
        loader, blocks, stacks = runner.train_dataloader, iter(distiller.teacher_blocks), []
        for stack in distiller.stacks.values():
            own = list(islice(blocks, stack.plan.num_layers))
            stacks.append((stack, own, [], [[] for _ in stack.plan.parts]))
        ends = [own[place] for stack, own, *_ in stacks for place in stack.plan.student_places]
        for start in range(0, self.samples, self.batch_size):
            draws = range(start, min(start + self.batch_size, self.samples))
            data = loader.collate_fn([loader.dataset[draw] for draw in draws])
            data = distiller.data_preprocessor(data, False)
            with ExitStack() as open_taps:
                open_taps.enter_context(runner.optim_wrapper.optim_context(runner.model))
                entered = [open_taps.enter_context(_InputsOf(own[0])) for _, own, *_ in stacks]
                outputs = open_taps.enter_context(tap_outputs(ends))
                distiller.teacher(data['inputs'], data.get('data_samples'), mode='tensor')
            out = iter(outputs)
            for (_, _, entry, targets), calls in zip(stacks, entered):
                entry.append(calls[0])
                for i, target in enumerate(targets):
                    target.append(first_tensor(next(out), f'part {i}'))
        return stacks


class _InputsOf:
    """Collects the first argument of each call of a module."""

    def __init__(self, module: nn.Module) -> None:
        self.module, self.seen = module, []

    def __enter__(self) -> list[Any]:
        self.handle = self.module.register_forward_pre_hook(self._see, with_kwargs=True)
        return self.seen

    def _see(self, module: nn.Module, args: tuple, kwargs: dict) -> None:
        if len(args) != 1 or kwargs:
            raise ValueError(f'compress.fit is for blocks that take tokens and nothing else; {type(module).__name__} '
                             f'is given {len(args)} arguments and {sorted(kwargs) or "no keywords"}: leave it out')
        self.seen.append(args[0])

    def __exit__(self, *error: Any) -> None:
        self.handle.remove()


def _table(rows: Sequence[FittedStage], samples: int) -> str:
    lines = ['', f'Student layers fitted to their stages on {samples} samples: share of the variance explained (R2)',
             'stage  copied  fitted  starts from']
    lines += [f'{i:5d}{row.copied:8.3f}{row.fitted:8.3f}  layer {row.source}' for i, row in enumerate(rows)]
    return '\n'.join(lines)
