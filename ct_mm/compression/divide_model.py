"""Divides a whole model, as its config has it."""
from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from torch import nn

from .division import Division
from .divisions import Divisions
from .layer_stack import find_layer_stacks
from .model_config import build_model, config_at, merge_configs, owner_path
from .per_stack import PerStack


def divide_model(
    model: nn.Module,
    config: Mapping,
    layers: str | Sequence[str] | None = None,
    student: Mapping | Sequence[Mapping | None] | None = None,
    **settings: Any,
) -> Divisions:
    """Divides the stacks of a model in place, together those that one of its modules owns.

    The owner of a stack is its nearest ancestor with a config of its own, which can be built from it in another shape.

    Args:
        model: The model, changed in place.
        config: Its config.
        layers: Names of the stacks, see :func:`~ct_mm.compression.layer_stack.find_layer_stacks`.
        student: What of its owner's config is different for the student's layers, one for all stacks or a list.
        **settings: Other arguments of :class:`Division`: one value for all stacks or a list with one for each.

    Returns:
        The divisions by the path of their owner, in the order of the stacks.

    Raises:
        ValueError: If the stacks cannot be found or a setting does not fit them.
    """
    stacks = find_layer_stacks(model, layers)
    count = len(stacks)
    depths = dict(stage_sizes=1, pass_through=1, layers_per_stage=1 if count == 1 else 0)
    values = {name: PerStack.of(name, value, count, depths.get(name, 0))
              for name, value in dict(settings, changes=student).items() if value is not None}
    owned: dict[str, list[int]] = {}
    for index, stack in enumerate(stacks):
        owned.setdefault(owner_path(config, stack.container), []).append(index)
    divisions = Divisions()
    for owner, indices in owned.items():
        here = {name: PerStack(value[index] for index in indices) for name, value in values.items()}
        changes = here.get('changes', [])
        shapes = [change for i, change in enumerate(changes) if change and change not in changes[:i]]
        built = [build_model(merge_configs(config_at(config, owner), shape)) for shape in shapes]
        if built:
            here['student'] = PerStack(built[shapes.index(change)] if change else None for change in changes)
        names = [stacks[index].inside(owner).path for index in indices]
        divisions[owner] = Division(model.get_submodule(owner), names, **here)
    return divisions
