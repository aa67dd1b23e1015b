"""Prints what was decided, before the first step."""
from __future__ import annotations

import copy
from typing import Any

import torch
from mmengine.dist import master_only
from mmengine.hooks import Hook
from mmengine.logging import print_log
from mmengine.runner import Runner
from torch import nn
from torch.utils._pytree import tree_leaves

from ct_mm.engine.flops import count_flops
from ct_mm.registry import HOOKS

from ..batch import eval_mode, random_state_kept, run_model
from ..distillation.replacement_distiller import ReplacementDistiller
from ..distillation.step_outputs import path_list


@HOOKS.register_module()
class DivisionSummaryHook(Hook):
    """Prints stages, sizes, losses and unused teacher weights once, before the first step of a run or resumed run."""

    priority = 'LOW'

    def __init__(self) -> None:
        self._printed = False

    @master_only
    def before_train_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None) -> None:
        """Prints the table before the first iteration, with operations counted on its batch."""
        if self._printed:
            return
        self._printed = True
        distiller = ReplacementDistiller.of(runner)
        with random_state_kept():  # a copy, because some data preprocessors change the samples
            batch = distiller.data_preprocessor(copy.deepcopy(data_batch), True)
        print_log(division_summary(distiller, batch), 'current')


def flops_per_sample(model: nn.Module, batch: Any) -> float:
    """Counts the floating point operations of one forward pass, attention products included.

    Args:
        model: A model with the mode ``tensor``.
        batch: A batch as the model takes it. Its first entry is a tensor or a structure of tensors, batch first, or a
            list with one input for each sample.

    Returns:
        Operations for each sample; a multiplication and an addition count as two.
    """
    inputs = next(iter(batch.values() if isinstance(batch, dict) else batch))
    tensors = [leaf for leaf in tree_leaves(inputs) if isinstance(leaf, torch.Tensor)]
    samples = len(inputs) if isinstance(inputs, (list, tuple)) else len(tensors[0])
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    model.requires_grad_(False)  # the counter fails on views of a parameter
    try:
        with eval_mode(model):
            return count_flops(lambda: run_model(model, batch, 'tensor')) / samples
    finally:
        for parameter in trained:
            parameter.requires_grad_(True)


def division_summary(distiller: ReplacementDistiller, batch: Any) -> str:
    """Writes the table.

    Args:
        distiller: The distiller, after its teacher was read.
        batch: A batch to count operations with.

    Returns:
        Several lines: stages, sizes, what each loss reads, and which weights in the teacher's file were not used.
    """
    divided, losses = distiller.divided, distiller.losses
    lines, stage = [], 0
    for stack in divided.stacks:
        plan = stack.plan
        lines += ['', f'Division of {stack.name} into {plan.num_stages} stages', 'stage  teacher layers  starts from']
        for part, copied, note in zip(plan.parts, plan.copied_layers, stack.notes):
            source = f'layer {copied[0]}' if len(copied) == 1 else f'the mean of layers {copied[0]}-{copied[-1]}'
            lines.append(f'{stage:5d}  {f"{part[0]}-{part[-1]}":>14}  {source}{f" ({note})" if note else ""}')
            stage += part[-1] in plan.ends
    lines += ['', f'{"":8}{"layers":>8}{"parameters (M)":>16}{"GFLOPs":>10}']
    for name, model, layers in (('teacher', distiller.teacher, divided.slots),
                                ('student', distiller.student, divided.student_layers)):
        parameters = sum(p.numel() for p in model.parameters()) / 1e6
        lines.append(f'{name:8}{len(layers):8d}{parameters:16.2f}{flops_per_sample(model, batch) / 1e9:10.3f}')
    lines += ['(one sample; a multiplication and an addition are two operations; attention products included)', '']
    ends = ' and '.join(f'{stack.name}[{", ".join(map(str, stack.plan.ends))}]' for stack in divided.stacks)
    groups = [getattr(stacks[0].owner, 'token_groups', None) or 'one' for stacks in divided.stacks_by_owner.values()]
    reads = dict(mimic=f'output of {ends}, token groups {", ".join(map(str, groups))}',
                 guidance=f'output of {", ".join(path_list(distiller.predictions))}')
    for name in dict.fromkeys(['mimic', 'guidance', *losses]):
        text = 'off'
        if name in losses:
            compared = getattr(losses[name], 'compared', [type(losses[name]).__name__])
            text = f'{reads.get(name, "stages and predictions")}: {", ".join(compared)}'
        lines.append(f'loss_{name:9} {text}')
    unused = distiller.unused_teacher_keys
    lines.append(f'teacher        {distiller.teacher_file}: all weights of the model found, '
                 f'{len(unused)} not used{": " + ", ".join(unused[:8]) if unused else ""}')
    return '\n'.join(lines)
