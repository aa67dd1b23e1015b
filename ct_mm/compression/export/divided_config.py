"""The config of the student as a divided model."""
from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import Any

from mmengine.config import ConfigDict

from ..config_tree import config_at, copy_config, exchange_config
from ..division.divided_model import DividedModel
from ..division.divided_stack import DividedStack


def divided_model_config(config: Mapping, division: DividedModel, whole: bool = False) -> ConfigDict:
    """Writes the student as a divided model.

    Args:
        config: Config of the N-layer model.
        division: The student.
        whole: Wrap the model itself instead of the owners of the stacks.

    Returns:
        A copy of the config with :class:`~ct_mm.compression.StageDividedBackbone` around what owns stacks.
    """
    config = copy_config(config)
    if whole:
        return _wrapped(config, division.stacks, '')
    owned = division.stacks_by_owner
    for path in sorted(owned, key=len, reverse=True):  # one inside another first
        config = exchange_config(config, path, _wrapped(config_at(config, path), owned[path], path))
    return config


def _wrapped(config: ConfigDict, stacks: Sequence[DividedStack], path: str) -> ConfigDict:
    """Wraps the module at a path, given its config."""
    inside = len(path) + 1 if path else 0
    settings: dict[str, Any] = dict(
        layers=[stack.name[inside:] for stack in stacks],
        stage_sizes=[[len(stage) for stage in stack.plan.stages] for stack in stacks])
    if any(stack.plan.copy != 'last' for stack in stacks):
        settings['copy'] = [stack.plan.copy for stack in stacks]
    if any(count != 1 for stack in stacks for count in stack.plan.layers_per_stage):
        settings['layers_per_stage'] = [list(stack.plan.layers_per_stage) for stack in stacks]
    if any(stack.change for stack in stacks):
        settings['student'] = [_nested(stack.owner_path[inside:], stack.change) for stack in stacks]
    returns = [stack.rule.returns for stack in stacks]
    # of several stacks, a list of single arguments would be read as one for blocks that return tuples
    if any(isinstance(entry, tuple) if len(stacks) > 1 else entry is not None for entry in returns):
        settings['pass_through'] = returns
    if len(stacks) == 1:
        settings = {name: value[0] for name, value in settings.items()}
    if any(stack.folded for stack in stacks):
        settings['folded'] = True
    return ConfigDict(type='ct_mm.StageDividedBackbone', backbone=config, **copy.deepcopy(settings))


def _nested(owner: str, change: Mapping | None) -> Mapping | None:
    for part in reversed(owner.split('.') if owner and change else []):
        change = {part: change}
    return change
