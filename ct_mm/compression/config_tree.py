"""Reads and changes the config of a model by the paths of its submodules."""
from __future__ import annotations

import copy
import inspect
from collections.abc import Mapping
from typing import Any

from mmengine.config import Config, ConfigDict
from torch import nn

from ct_mm.registry import MODELS


def config_at(config: Any, path: str) -> Any:
    """Returns the config of a submodule.

    Args:
        config: Config of the model.
        path: Dotted path of the submodule.

    Returns:
        The part of the config under the same path, or ``None`` if it does not exist.
    """
    for part in filter(None, path.split('.')):
        if isinstance(config, Mapping):
            config = config.get(part)
        elif isinstance(config, (list, tuple)) and part.isdigit() and int(part) < len(config):
            config = config[int(part)]
        else:
            return None
    return config


def owner_path(config: Mapping, path: str) -> str:
    """Finds the nearest ancestor of a module with a config of its own, so that it can be built and wrapped.

    Args:
        config: Config of the model.
        path: Dotted path of a submodule.

    Returns:
        The ancestor's path; empty for the model itself.
    """
    while path:
        path = path.rpartition('.')[0]
        found = config_at(config, path)
        if isinstance(found, Mapping) and 'type' in found:
            break
    return path


def copy_config(config: Mapping) -> ConfigDict:
    """Makes a deep copy."""
    return ConfigDict(copy.deepcopy(dict(config)))


def exchange_config(config: ConfigDict, path: str, part: ConfigDict) -> ConfigDict:
    """Replaces a part of a config.

    Args:
        config: Config of the model; changed in place.
        path: Dotted path of the place; empty for the model itself.
        part: The new part.

    Returns:
        The config, or ``part`` if that replaced the whole.
    """
    if not path:
        return part
    parent, _, name = path.rpartition('.')
    holder = config_at(config, parent)
    holder[int(name) if isinstance(holder, list) else name] = part
    return config


def merge_configs(config: Mapping, changes: Mapping) -> ConfigDict:
    """Copies a config and applies changes, as a file that inherits from it would (including ``_delete_``)."""
    merged = Config(dict(owner=copy.deepcopy(dict(config))))
    merged.merge_from_dict(dict(owner=copy.deepcopy(dict(changes))))
    return merged.owner


def class_of(kind: Any) -> type | None:
    """Finds the class of a model as building from its config would: in the scope of the run.

    Args:
        kind: What a config names as its ``type``: a class, or its registered name.

    Returns:
        The class; ``None`` if there is none of this name.
    """
    if inspect.isclass(kind) or kind is None:
        return kind
    with MODELS.switch_scope_and_registry(None) as registry:
        return registry.get(kind)


def build_model(config: Mapping) -> nn.Module:
    """Builds a model from a copy of its config, because some constructors change the config."""
    return MODELS.build(copy.deepcopy(config))
