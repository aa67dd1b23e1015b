"""Fits the student's layers to their stages before the first step."""
from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from mmengine.hooks import Hook
from mmengine.logging import print_log
from mmengine.model import is_model_wrapper
from mmengine.runner import Runner
from torch import Tensor, nn

from ct_mm.registry import HOOKS

from ..replacement_distiller import ReplacementDistiller
from ..stage_fit import FittedStage, explained_variance, fit_stage
from ..tap import first_tensor, tap_outputs


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
        model = runner.model.module if is_model_wrapper(runner.model) else runner.model
        streams, targets = self._streams(runner, model)
        rows = []
        for stage, layer, target in zip(model.divided.plan.stages, model.divided.student_layers, targets):
            blocks = [model.teacher_blocks[index] for index in stage]
            with torch.no_grad():
                copied = explained_variance([layer.eval()(stream) for stream in streams], target)
                index, fitted, score = fit_stage(blocks, streams, target, self.writers)
                layer.load_state_dict(fitted.state_dict())
                streams = [layer(stream) for stream in streams]
            rows.append(FittedStage(stage[index], copied, score))
        runner.model.train()
        print_log(_table(rows, self.samples), 'current')

    @torch.no_grad()
    def _streams(self, runner: Runner, model: ReplacementDistiller) -> tuple[list[Tensor], list[list[Tensor]]]:
        """What enters the first stage, batch by batch, and for each stage what the teacher has at its end."""
        loader = runner.train_dataloader
        entry, targets = [], [[] for _ in model.divided.plan.stages]
        ends = [model.teacher_blocks[end] for end in model.divided.plan.ends]
        for start in range(0, self.samples, self.batch_size):
            draws = range(start, min(start + self.batch_size, self.samples))
            data = model.data_preprocessor(loader.collate_fn([loader.dataset[draw] for draw in draws]), False)
            with _InputsOf(model.teacher_blocks[0]) as entered, tap_outputs(ends) as outputs:
                model.teacher(data['inputs'], data.get('data_samples'), mode='tensor')
            entry.append(entered[0])
            for stage, output in enumerate(outputs):
                targets[stage].append(first_tensor(output, f'stage {stage}'))
        return entry, targets


class _InputsOf:
    """Collects the first argument of each call of a module."""

    def __init__(self, module: nn.Module) -> None:
        self.module, self.seen = module, []

    def __enter__(self) -> list[Any]:
        self.handle = self.module.register_forward_pre_hook(lambda _module, args: self.seen.append(args[0]))
        return self.seen

    def __exit__(self, *error: Any) -> None:
        self.handle.remove()


def _table(rows: Sequence[FittedStage], samples: int) -> str:
    lines = ['', f'Student layers fitted to their stages on {samples} samples: share of the variance explained (R2)',
             'stage  copied  fitted  starts from']
    lines += [f'{i:5d}{row.copied:8.3f}{row.fitted:8.3f}  layer {row.source}' for i, row in enumerate(rows)]
    return '\n'.join(lines)
