"""The config of the student as a divided model."""
from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

from mmengine.config import ConfigDict

from .division import Division
from .model_config import config_at, copy_config, exchange_config


def divided_model_config(config: Mapping, divisions: Mapping[str, Division], whole: bool = False) -> ConfigDict:
    """Writes the student as a divided model.

    Args:
        config: Config of the N-layer model.
        divisions: The divisions by the path of their owner.
        whole: Wrap the model itself instead of the owners.

    Returns:
        A copy of the config with :class:`~ct_mm.compression.StageDividedBackbone` around what owns stacks.
    """
    config = copy_config(config)
    if whole:
        return _wrapped(config, divisions)
    for path in sorted(divisions, key=len, reverse=True):  # one inside another first
        config = exchange_config(config, path, _wrapped(config_at(config, path), {'': divisions[path]}))
    return config


def _wrapped(config: ConfigDict, divisions: Mapping[str, Division]) -> ConfigDict:
    owned = [(owner, stack, change) for owner, division in divisions.items()
             for stack, change in zip(division.stacks, division.changes)]
    stacks = [stack for _, stack, _ in owned]
    settings: dict[str, Any] = dict(
        layers=[f'{owner}.{stack.path}' if owner else stack.path for owner, stack, _ in owned],
        stage_sizes=[[len(stage) for stage in stack.plan.stages] for stack in stacks])
    if any(stack.plan.copy != 'last' for stack in stacks):
        settings['copy'] = [stack.plan.copy for stack in stacks]
    if any(count != 1 for stack in stacks for count in stack.plan.layers_per_stage):
        settings['layers_per_stage'] = [list(stack.plan.layers_per_stage) for stack in stacks]
    if any(change for *_, change in owned):
        settings['student'] = [_nested(owner, change) for owner, _, change in owned]
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
