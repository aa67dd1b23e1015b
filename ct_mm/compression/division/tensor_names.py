"""Names of the student's tensors in a plain model."""
from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor, nn

from ct_mm.engine.checkpoints.misfit import find_misfit

from .layer_stack import CONTAINERS
from .slot import Slot
from .stage_divided_backbone import StageDividedBackbone


def plain_name(model: nn.Module, name: str, slots: bool = False) -> str:
    """Translates a name in a divided model to the plain model.

    Args:
        model: A model with divided stacks anywhere inside.
        name: Dotted path of a module or tensor in it.
        slots: Keep the slots and their numbers, and leave out only :class:`StageDividedBackbone`.

    Returns:
        The path in the plain student, which has fewer layers.
    """
    module: nn.Module | None = model
    plain = []
    for part in name.split('.'):
        wrapped = 'backbone' if isinstance(module, StageDividedBackbone) else \
            'layer' if isinstance(module, Slot) and not slots else None
        if part != wrapped:
            plain.append(part if slots or not isinstance(module, CONTAINERS) else _kept(module).get(part, part))
        module = None if module is None else module._modules.get(part)
    return '.'.join(plain)


def named_tensors(model: nn.Module) -> Iterator[tuple[str, Tensor]]:
    """Yields parameters and persistent buffers by their path in the model.

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
        teacher: The same model, undivided.
    """
    slots = tuple(f'{path}.' for path, module in student.named_modules() if isinstance(module, Slot))
    theirs = dict(named_tensors(teacher))
    for path, tensor in named_tensors(student):
        if not path.startswith(slots):
            tensor.copy_(theirs[path])


@torch.no_grad()
def copy_tensors(source: nn.Module, target: nn.Module, slots: bool = False) -> None:
    """Copies all tensors of a divided model to another form of it.

    Args:
        source: A divided model.
        target: A plain model, or, with ``slots``, one with :class:`StageDividedBackbone` in other places.
        slots: Whether the target has slots.

    Raises:
        ValueError: If one model has a tensor that the other lacks, or of another shape. A source tensor with several
            names needs a place under one of them.
    """
    mine, its = ({plain_name(model, path, slots): tensor for path, tensor in named_tensors(model)}
                 for model in (source, target))
    placed = {id(mine[path]) for path in its if path in mine}
    needed = {path: tensor for path, tensor in mine.items() if path in its or id(tensor) not in placed}
    misfit = find_misfit(its, needed)
    if misfit:
        raise ValueError(f'the student does not fit a {type(target).__name__} with fewer layers: {misfit}')
    for path, tensor in its.items():
        tensor.copy_(mine[path])


def _kept(container: nn.Module) -> dict[str, str]:
    """Maps the entries of a list that are in the plain student to their names there."""
    entries = container._modules
    kept = [name for name, entry in entries.items() if not isinstance(entry, Slot) or entry.layer is not None]
    return dict(zip(kept, entries))
