"""Divides a whole model at the modules that its config can name."""
from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from torch import nn

from ct_mm.registry import MODELS

from .layer_stack import find_layer_stacks
from .model_config import config_at, merge_configs, owner_path
from .per_stack import PerStack
from .stage_divided_backbone import StageDividedBackbone
from .student import exchange_submodule


def divide_model(
    model: nn.Module,
    config: Mapping,
    layers: str | Sequence[str] | None = None,
    student: Mapping | Sequence[Mapping | None] | None = None,
    **settings: Any,
) -> tuple[nn.Module, dict[str, list[Mapping | None]]]:
    """Wraps each module of a model that owns stacks of blocks in a :class:`StageDividedBackbone`.

    The owner of a stack is its nearest ancestor with a config of its own, so that the divided model can be written as a
    config too; it may own several.

    Args:
        model: The model, changed in place.
        config: Its config.
        layers: Names of the stacks, see :func:`~ct_mm.compression.layer_stack.find_layer_stacks`.
        student: What of its owner's config is different for the student's layers, for each stack.
        **settings: Other arguments of :class:`StageDividedBackbone`: one value for all stacks or a list with one for
            each.

    Returns:
        The divided model, and for the path of each owner, in the order of the stacks, the changes of its
        config for each of its stacks.

    Raises:
        ValueError: If the stacks cannot be found or a setting does not fit them.
    """
    stacks = find_layer_stacks(model, layers)
    count = len(stacks)
    depths = dict(stage_sizes=1, pass_through=1, layers_per_stage=1 if count == 1 else 0)
    values = {name: PerStack.of(name, value, count, depths.get(name, 0))
              for name, value in dict(settings, student=student).items() if value is not None}
    owned: dict[str, list[int]] = {}
    for index, stack in enumerate(stacks):
        owned.setdefault(owner_path(config, stack.container), []).append(index)
    changes = {}
    for owner in sorted(owned, key=len, reverse=True):  # an owner inside another first
        here = {name: PerStack(value[index] for index in owned[owner]) for name, value in values.items()}
        changes[owner] = list(here.pop('student', [None] * len(owned[owner])))
        shapes = [change for i, change in enumerate(changes[owner]) if change and change not in changes[owner][:i]]
        if shapes:
            built = [MODELS.build(merge_configs(config_at(config, owner), shape)) for shape in shapes]
            here['student'] = PerStack(built[shapes.index(c)] if c else None for c in changes[owner])
        names = [stacks[index].inside(owner).path for index in owned[owner]]
        model = exchange_submodule(model, owner, StageDividedBackbone(model.get_submodule(owner), names, **here))
    return model, {owner: changes[owner] for owner in owned}
