"""The config of the student: as a plain model with fewer layers, or as a divided one."""
from __future__ import annotations

import copy
import inspect
from collections.abc import Mapping, Sequence
from typing import Any

from mmengine.config import ConfigDict

from ..config_tree import class_of, config_at, copy_config, exchange_config, merge_configs
from ..division.divided_model import DividedModel
from ..division.divided_stack import DividedStack
from ..division.spec import DivisionSpec

#: Keys that hold the number of layers in a config, or a list with one number for each width of a hierarchy.
DEPTH_KEYS = ('depth', 'depths', 'num_layers', 'num_hidden_layers', 'layers', 'n_layer', 'n_layers')
#: The same for a stack whose path says that it is the encoder or the decoder.
HALF_KEYS = ('{}_layers', 'num_{}_layers')
#: Keys that list single layers, and whether each of these layers must be in the student.
INDEX_KEYS = {'out_indices': True, 'ce_layers': False}


def plain_model_config(model: Mapping, division: DividedModel) -> ConfigDict:
    """Writes the student as a plain model, if the model's config can express it.

    Args:
        model: Config of the N-layer model.
        division: The student.

    Returns:
        A copy of the config with fewer layers. The caller has to check whether it builds the student.

    Raises:
        ValueError: If no key holds the number of layers, or a key lists a layer that the student lacks.
    """
    config = copy_config(model)
    for path, owned in division.stacks_by_owner.items():
        owner = copy_config(config_at(config, path))
        for stack in owned:
            owner = merge_configs(owner, stack.change or {})
        for container in dict.fromkeys(stack.place.container for stack in owned):
            inside = container.removeprefix(f'{path}.')
            stacks = [stack for stack in owned if stack.place.container == container]
            total = len(stacks[0].owner.get_submodule(inside))
            if not any(_shorten(place, inside, stacks, total) for place in _places(owner, inside)):
                raise ValueError(f'the config of {owner.type} has no key for its number of layers ({total} in '
                                 f'{inside}; looked for {", ".join(DEPTH_KEYS)})')
        config = exchange_config(config, path, owner)
    return config


def divided_model_config(config: Mapping, division: DividedModel, whole: bool = False) -> ConfigDict:
    """Writes the student as a divided model.

    Args:
        config: Config of the N-layer model.
        division: The student.
        whole: Wrap the model itself instead of the owners of the stacks.

    Returns:
        A copy of the config with :class:`~ct_mm.compression.StageDividedBackbone` around each owner of stacks.
    """
    config = copy_config(config)
    owned = {'': division.stacks} if whole else division.stacks_by_owner
    for path in sorted(owned, key=len, reverse=True):  # from the inside out, as owners may contain each other
        config = exchange_config(config, path, _wrapped(config_at(config, path), owned[path], path))
    return config


def _places(owner: ConfigDict, container: str) -> list[ConfigDict]:
    """Lists the parts of a config that may describe a list, the likeliest first: those along its path, then all."""
    parts = container.split('.')
    along = [config_at(owner, '.'.join(parts[:length])) for length in range(len(parts), 0, -1)]
    everywhere = [owner]
    for place in everywhere:  # grows: breadth first
        everywhere += [value for value in place.values() if isinstance(value, Mapping)]
    return [*(place for place in along if isinstance(place, Mapping)), *everywhere]


def _shorten(place: ConfigDict, container: str, stacks: Sequence[DividedStack], total: int) -> bool:
    """Replaces the teacher's number of layers by the student's; returns False if this place does not hold it."""
    built = class_of(place.get('type'))
    parameters = inspect.signature(built).parameters if built else {}
    defaults = {name: parameter.default for name, parameter in parameters.items()}
    arch = place.get('arch', defaults.get('arch'))
    if isinstance(arch, str):  # the name of a preset, to be replaced by its content
        arch = copy_config(_preset(built, arch))
    halves = [half for half in ('encoder', 'decoder') if half in container]
    keys = [*(key.format(half) for half in halves for key in HALF_KEYS), *DEPTH_KEYS]
    for holder, default in ((place, defaults), (arch, {})):
        for key in keys if isinstance(holder, Mapping) else ():
            fewer = _fewer(holder.get(key, default.get(key)), container, stacks, total)
            if fewer is not None:
                holder[key] = fewer
                if holder is arch:
                    place.arch = arch
                if isinstance(fewer, int):
                    _renumber(place, stacks)
                return True
    return False


def _preset(built: type | None, name: str) -> Mapping:
    """Returns the content of a preset, which classes keep in a table of their own; empty if there is none."""
    tables = [value for kind in getattr(built, '__mro__', ()) for value in vars(kind).values()
              if isinstance(value, Mapping)]
    found = [table[key] for table in tables for key in (name, name.lower()) if isinstance(table.get(key), Mapping)]
    return found[0] if found else {}


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
    return tuple(depths) if type(depth) is tuple else depths


def _renumber(place: ConfigDict, stacks: Sequence[DividedStack]) -> None:
    gone = {stack.place.start + i for stack in stacks for i, slot in enumerate(stack.slots) if slot.layer is None}
    for key, needed in INDEX_KEYS.items():
        old = place.get(key)
        if not isinstance(old, (list, tuple)):
            continue
        missing = [index for index in old if index in gone]
        if missing and needed:
            raise ValueError(f'{key}={list(old)} of {place.get("type")} names layers {missing}, but no student layer '
                             f'replaces the end of these')
        # negative indices count from the end, where nothing changes
        place[key] = [i if i < 0 else i - sum(g < i for g in gone) for i in old if i not in gone]


def _wrapped(config: ConfigDict, stacks: Sequence[DividedStack], path: str) -> ConfigDict:
    """Wraps the module at a path, given its config."""
    counts = [stack.plan.layers_per_stage for stack in stacks]
    settings = dict(
        layers=[stack.place.inside(path).path for stack in stacks],
        stage_sizes=[[len(stage) for stage in stack.stages] for stack in stacks],
        copy=[stack.plan.copy for stack in stacks],
        layers_per_stage=[1 if set(count) == {1} else list(count) for count in counts],
        student=[_nested(stack.owner_path[len(path):], stack.change) for stack in stacks],
        pass_through=[stack.rule.returns for stack in stacks],
        path=[list(stack.by_student) for stack in stacks])
    if all(each for path in settings['path'] for each in path):
        del settings['path']
    if len(stacks) > 1 and not any(isinstance(entry, tuple) for entry in settings['pass_through']):
        del settings['pass_through']  # a list of single arguments would be read as one tuple; they are detected again
    settings = {name: values if len(stacks) > 1 else values[0] for name, values in settings.items()
                if any(value != getattr(DivisionSpec, name) for value in values)}
    if any(stack.folded for stack in stacks):
        settings['folded'] = True
    return ConfigDict(type='ct_mm.StageDividedBackbone', backbone=config, **copy.deepcopy(settings))


def _nested(owner: str, change: Mapping | None) -> Mapping | None:
    """Puts a change under the path of the module that it changes."""
    for part in reversed(owner.split('.') if owner and change else []):
        change = {part: change}
    return change or None
