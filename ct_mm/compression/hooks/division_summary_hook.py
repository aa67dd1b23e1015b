"""Prints the table that says, before the first step, what was decided."""
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

from ..batch import random_state_kept, run_model
from ..distillation.predictions import path_list
from ..distillation.replacement_distiller import ReplacementDistiller
from .distiller_of import distiller_of


@HOOKS.register_module()
class DivisionSummaryHook(Hook):
    """Prints stages, sizes, losses and unused teacher weights once, with the first batch of a run or resumed run."""

    priority = 'LOW'

    def __init__(self) -> None:
        self._printed = False

    @master_only
    def before_train_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None) -> None:
        """Prints the table before the first iteration; counts operations on its batch."""
        if self._printed:
            return
        self._printed = True
        distiller = distiller_of(runner)
        with random_state_kept():  # a copy, because some data preprocessors change the samples
            batch = distiller.data_preprocessor(copy.deepcopy(data_batch), False)
        print_log(division_summary(distiller, batch), 'current')


def flops_per_sample(model: nn.Module, batch: Any) -> float:
    """Floating point operations of one forward pass, attention products included.

    Args:
        model: A model with the mode ``tensor``.
        batch: A batch as the model takes it: its first entry holds tensors, batch first, or one input per sample.

    Returns:
        Operations for each sample; a multiplication and an addition count as two.
    """
    inputs = next(iter(batch.values() if isinstance(batch, dict) else batch))
    tensors = [leaf for leaf in tree_leaves(inputs) if isinstance(leaf, torch.Tensor)]
    samples = len(inputs) if isinstance(inputs, (list, tuple)) else len(tensors[0])  # a list of images, or a batch
    modes = [(module, module.training) for module in model.modules()]  # a part may be in eval mode by itself
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    model.eval().requires_grad_(False)  # the counter fails on views of a parameter
    try:
        return count_flops(lambda: run_model(model, batch, 'tensor')) / samples
    finally:
        for module, training in modes:
            module.training = training
        for parameter in trained:
            parameter.requires_grad_(True)


def division_summary(distiller: ReplacementDistiller, batch: Any) -> str:
    """Writes the table.

    Args:
        distiller: After its teacher was read.
        batch: A batch to count operations with.

    Returns:
        Several lines: stages, sizes, what each loss reads, what of the teacher's file was not used.
    """
    stacks, losses = distiller.divided.stacks, distiller.losses
    lines = []
    stage = 0
    for stack in stacks:
        plan = stack.plan
        lines += ['', f'Division of {stack.name} into {plan.num_stages} stages', 'stage  teacher layers  starts from']
        for part, copied, note in zip(plan.parts, plan.copied_layers, stack.notes):
            source = f'layer {copied[0]}' if len(copied) == 1 else f'the mean of layers {copied[0]}-{copied[-1]}'
            lines.append(f'{stage:5d}  {f"{part[0]}-{part[-1]}":>14}  {source}{f" ({note})" if note else ""}')
            stage += part[-1] in plan.ends
    lines += ['', f'{"":8}{"layers":>8}{"parameters (M)":>16}{"GFLOPs":>10}']
    rows = (('teacher', distiller.teacher, sum(stack.plan.num_layers for stack in stacks)),
            ('student', distiller.student, sum(stack.plan.num_student_layers for stack in stacks)))
    for name, model, layers in rows:
        parameters = sum(p.numel() for p in model.parameters()) / 1e6
        flops = flops_per_sample(model, batch) / 1e9
        lines.append(f'{name:8}{layers:8d}{parameters:16.2f}{flops:10.3f}')
    ends = ' and '.join(f'{stack.name}[{", ".join(map(str, stack.plan.ends))}]' for stack in stacks)
    groups = [getattr(owned[0].owner, 'token_groups', None) or 'one'
              for owned in distiller.divided.stacks_by_owner.values()]
    heads = ', '.join(path_list(distiller.predictions))
    reads = dict(mimic=f'output of {ends}, token groups {", ".join(map(str, groups))}', guidance=f'output of {heads}')
    lines += ['(one sample; a multiplication and an addition are two operations; attention products included)', '']
    for name in dict.fromkeys(['mimic', 'guidance', *losses]):
        loss = losses[name] if name in losses else None
        terms = getattr(loss, 'compared', [type(loss).__name__])
        text = 'off' if loss is None else reads.get(name, 'both') if name == 'mimic' else \
            f'{reads.get(name, "stages and predictions")}: {", ".join(terms)}'
        lines.append(f'loss_{name:9} {text}')
    unused = distiller.unused_teacher_keys
    lines.append(f'teacher        {distiller.teacher_file}: all weights of the model found, '
                 f'{len(unused)} not used{": " + ", ".join(unused[:8]) if unused else ""}')
    return '\n'.join(lines)
