"""The student under the names of a plain model."""
from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor, nn

from ct_mm.engine.checkpoints.misfit import find_misfit

from .layer_stack import CONTAINERS
from .slot import Slot
from .stage_divided_backbone import StageDividedBackbone


def plain_name(model: nn.Module, name: str, slots: bool = False) -> str:
    """What a module or tensor of a divided model is called in the plain model.

    Args:
        model: A model with divided stacks anywhere inside.
        name: Its dotted path there.
        slots: Leave the slots and their numbers as they are, and only :class:`StageDividedBackbone` out.

    Returns:
        Its path in the plain student, which has fewer layers.
    """
    module: nn.Module | None = model
    plain = []
    for part in name.split('.'):
        inner = None if module is None else module._modules.get(part)
        left_out = isinstance(module, StageDividedBackbone) and part == 'backbone' or (
            isinstance(module, Slot) and part == 'layer' and not slots)
        if not left_out:
            plain.append(part if slots or not isinstance(module, CONTAINERS) else _kept(module).get(part, part))
        module = inner
    return '.'.join(plain)


def named_tensors(model: nn.Module) -> Iterator[tuple[str, Tensor]]:
    """Parameters and lasting buffers by their path in the model.

    The keys of a state dict are not always paths: some models rename or leave out entries in hooks.
    """
    yield from model.named_parameters(remove_duplicate=False)
    for path, module in model.named_modules(remove_duplicate=False):
        for name, buffer in module._buffers.items():
            if buffer is not None and name not in module._non_persistent_buffers_set:
                yield f'{path}.{name}'.lstrip('.'), buffer


@torch.no_grad()
def copy_shared(student: nn.Module, teacher: nn.Module) -> None:
    """Copies everything but the student's layers from the teacher.

    Args:
        student: A divided model.
        teacher: The model undivided.
    """
    slots = tuple(f'{path}.' for path, module in student.named_modules() if isinstance(module, Slot))
    theirs = dict(named_tensors(teacher))
    for path, tensor in named_tensors(student):
        if not path.startswith(slots):
            tensor.copy_(theirs[path])


def copy_tensors(source: nn.Module, target: nn.Module, slots: bool = False) -> None:
    """Copies a divided model into another form of it, completely.

    Args:
        source: A divided model.
        target: A plain one, or with ``slots`` a divided one in wrappers of its own.
        slots: Whether the target has slots.

    Raises:
        ValueError: If one has a tensor that the other lacks, or of another shape. One of the source that has several
            names needs a place under one of them.
    """
    mine = {plain_name(source, path, slots): tensor for path, tensor in named_tensors(source)}
    its = {plain_name(target, path, slots): tensor for path, tensor in named_tensors(target)}
    placed = {id(mine[path]) for path in its if path in mine}
    needed = {path: tensor for path, tensor in mine.items() if path in its or id(tensor) not in placed}
    misfit = find_misfit(its, needed)
    if misfit:
        raise ValueError(f'the student does not fit a {type(target).__name__} with fewer layers: {misfit}')
    with torch.no_grad():
        for path, tensor in its.items():
            tensor.copy_(mine[path])


def _kept(container: nn.Module) -> dict[str, str]:
    """For each entry of a list that the plain student has too, its name there."""
    entries = container._modules
    kept = [name for name, entry in entries.items() if not isinstance(entry, Slot) or entry.layer is not None]
    return dict(zip(kept, entries))
