"""The config of the student as a plain model with fewer layers."""
from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from mmengine.config import ConfigDict

from ct_mm.registry import MODELS

from ..config_tree import config_at, copy_config, exchange_config, merge_configs
from ..division.divided_model import DividedModel
from ..division.divided_stack import DividedStack

#: Names under which configs keep their number of layers, or a list of it for each width of a hierarchy.
DEPTH_KEYS = ('depth', 'depths', 'num_layers', 'num_hidden_layers', 'layers', 'n_layer', 'n_layers')
#: And that of a stack whose path says which half of a transformer it is.
HALF_KEYS = ('{}_layers', 'num_{}_layers')
#: Names under which they refer to single layers, and whether each of these must be in the student.
INDEX_KEYS = {'out_indices': True, 'ce_layers': False}


def plain_model_config(model: Mapping, division: DividedModel) -> ConfigDict:
    """The config of the plain student, if the model's config can say it.

    Args:
        model: Config of the N-layer model.
        division: The student.

    Returns:
        A copy of the config with fewer layers. Whether it builds the student is for others to check.

    Raises:
        ValueError: If no key holds the number of layers, or another refers to one that the student lacks.
    """
    config = copy_config(model)
    for path, owned in division.stacks_by_owner.items():
        owner = copy_config(config_at(config, path))
        for stack in owned:
            owner = merge_configs(owner, stack.change or {})
        for container in dict.fromkeys(stack.container for stack in owned):
            stacks = [stack for stack in owned if stack.container == container]
            total = len(stacks[0].owner.get_submodule(container))
            if not any(_shorten(place, container, stacks, total) for place in _places(owner, container)):
                raise ValueError(f'the config of {owner.type} has no key for its number of layers ({total} in '
                                 f'{container}; looked for {", ".join(DEPTH_KEYS)})')
        config = exchange_config(config, path, owner)
    return config


def _places(owner: ConfigDict, container: str) -> Iterator[ConfigDict]:
    """The parts of a config that may speak of a list, the likeliest first: along its path from below, then any."""
    along = [owner]
    for part in container.split('.'):
        inner = config_at(along[-1], part)
        if not isinstance(inner, Mapping):
            break
        along.append(inner)
    yield from reversed(along)
    stack = [value for value in owner.values() if isinstance(value, Mapping)]
    while stack:
        place = stack.pop(0)
        stack += [value for value in place.values() if isinstance(value, Mapping)]
        if not any(place is seen for seen in along):
            yield place


def _shorten(place: ConfigDict, container: str, stacks: Sequence[DividedStack], total: int) -> bool:
    """Writes the student's number of layers where the teacher's stands; False if it does not stand here."""
    built = place.get('type')
    built = built if inspect.isclass(built) or built is None else MODELS.get(built)
    parameters = inspect.signature(built).parameters if built else {}
    defaults = {name: parameter.default for name, parameter in parameters.items()}
    arch = place.get('arch', defaults.get('arch'))
    if isinstance(arch, str):  # the name of a preset: write out what it stands for
        preset = getattr(built, 'arch_zoo', {}).get(arch.lower())
        arch = None if preset is None else copy_config(preset)
    holders = [(place, defaults)] + ([(arch, {})] if isinstance(arch, Mapping) else [])
    halves = [half for half in ('encoder', 'decoder') if half in container]
    keys = [*(key.format(half) for half in halves for key in HALF_KEYS), *DEPTH_KEYS]
    for holder, default in holders:
        for key in keys:
            fewer = _fewer(holder.get(key, default.get(key)), container, stacks, total)
            if fewer is not None:
                holder[key] = fewer
                if holder is arch:
                    place.arch = arch
                if isinstance(fewer, int):
                    _renumber(place, stacks)
                return True
    return False


def _fewer(depth: Any, container: str, stacks: Sequence[DividedStack], total: int) -> int | list[int] | None:
    if isinstance(depth, int) and depth == total:
        return total - sum(stack.plan.num_layers - stack.plan.num_student_layers for stack in stacks)
    if not isinstance(depth, (list, tuple)):
        return None
    depths, last = list(depth), -1
    for stack in stacks:
        fitting = [i for i, n in enumerate(depths) if i > last and n == stack.plan.num_layers]
        numbered = [int(part) for part in container.split('.') if part.isdigit() and int(part) in fitting]
        if not fitting:
            return None
        last = (numbered or fitting)[0]
        depths[last] = stack.plan.num_student_layers
    return type(depth)(depths) if type(depth) in (list, tuple) else depths


def _renumber(place: ConfigDict, stacks: Sequence[DividedStack]) -> None:
    gone = {stack.start + i for stack in stacks
            for i in range(stack.plan.num_layers) if i not in stack.plan.student_places}
    for key, needed in INDEX_KEYS.items():
        old = place.get(key)
        if not isinstance(old, (list, tuple)):
            continue
        missing = [index for index in old if index in gone]
        if missing and needed:
            raise ValueError(f'{key}={list(old)} of {place.get("type")} names layers {missing}, which no student layer '
                             f'stands at the end of')
        # negative ones count from the end, where nothing changes
        place[key] = [i if i < 0 else i - sum(g < i for g in gone) for i in old if i not in gone]
