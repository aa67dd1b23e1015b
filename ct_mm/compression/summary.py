"""The table that says, before the first step, what was decided."""
from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import nn
from torch.utils._pytree import tree_leaves

from ct_mm.engine.flops import count_flops

if TYPE_CHECKING:
    from .replacement_distiller import ReplacementDistiller


def flops_per_sample(model: nn.Module, inputs: Any, data_samples: list | None = None) -> float:
    """Floating point operations of one forward pass, attention products included.

    Args:
        model: A model with the mode ``tensor``.
        inputs: A batch: tensors or a structure of them, batch first, or a list with one for each sample.
        data_samples: Its annotations.

    Returns:
        Operations for each sample, a multiplication and an addition counted as two.
    """
    tensors = [leaf for leaf in tree_leaves(inputs) if isinstance(leaf, torch.Tensor)]
    samples = len(inputs) if isinstance(inputs, (list, tuple)) else len(tensors[0])  # a list of images, or a batch
    modes = [(module, module.training) for module in model.modules()]  # a part may be in eval mode by itself
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    model.eval().requires_grad_(False)  # the counter trips over what is a view of a parameter
    try:
        return count_flops(lambda: model(inputs, data_samples, mode='tensor')) / samples
    finally:
        for module, training in modes:
            module.training = training
        for parameter in trained:
            parameter.requires_grad_(True)


def division_summary(distiller: ReplacementDistiller, inputs: Any, data_samples: list | None) -> str:
    """Writes the table.

    Args:
        distiller: After its teacher was read.
        inputs: A batch to count operations with.
        data_samples: Its annotations.

    Returns:
        Several lines: stages, sizes, what each loss reads, what of the teacher's file was not used.
    """
    stacks = distiller.stacks
    lines = []
    stage = 0
    for path, stack in stacks.items():
        plan = stack.plan
        lines += ['', f'Division of {path} into {plan.num_stages} stages', 'stage  teacher layers  starts from']
        for part, copied, note in zip(plan.parts, plan.copied_layers, stack.notes):
            source = f'layer {copied[0]}' if len(copied) == 1 else f'the mean of layers {copied[0]}-{copied[-1]}'
            lines.append(f'{stage:5d}  {f"{part[0]}-{part[-1]}":>14}  {source}{f" ({note})" if note else ""}')
            stage += part[-1] in plan.ends
    lines += ['', f'{"":8}{"layers":>8}{"parameters (M)":>16}{"GFLOPs":>10}']
    rows = (('teacher', distiller.teacher, sum(stack.plan.num_layers for stack in stacks.values())),
            ('student', distiller.student, sum(stack.plan.num_student_layers for stack in stacks.values())))
    for name, model, layers in rows:
        parameters = sum(p.numel() for p in model.parameters()) / 1e6
        flops = flops_per_sample(model, inputs, data_samples) / 1e9
        lines.append(f'{name:8}{layers:8d}{parameters:16.2f}{flops:10.3f}')
    ends = ' and '.join(f'{path}[{", ".join(map(str, stack.plan.ends))}]' for path, stack in stacks.items())
    groups = [getattr(division.owner, 'token_groups', None) or 'one' for division in distiller.divisions.values()]
    predictions = distiller.predictions
    lines += [
        '(one sample; a multiplication and an addition are two operations; attention products included)', '',
        'loss_mimic     off' if distiller.mimic is None else
        f'loss_mimic     output of {ends}, token groups {", ".join(map(str, groups))}',
        'loss_guidance  off' if distiller.guidance is None else
        f'loss_guidance  output of {predictions if isinstance(predictions, str) else ", ".join(predictions)}: '
        f'{", ".join(distiller.guidance.losses)}',
    ]
    unused = distiller.unused_teacher_keys
    lines.append(f'teacher        {distiller.teacher_file}: all weights of the model found, '
                 f'{len(unused)} not used{": " + ", ".join(unused[:8]) if unused else ""}')
    return '\n'.join(lines)

