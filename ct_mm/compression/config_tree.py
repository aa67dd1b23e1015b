"""Finds its way in the config of a model as in the model itself."""
from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

from mmengine.config import Config, ConfigDict
from torch import nn

from ct_mm.registry import MODELS


def config_at(config: Any, path: str) -> Any:
    """What the config says for a submodule.

    Args:
        config: Config of the model.
        path: Dotted path of the submodule.

    Returns:
        The part of the config under the same path, or ``None`` if there is none.
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
    """The nearest ancestor of a module that has a config of its own, so that it can be built and wrapped.

    Args:
        config: Config of the model.
        path: Dotted path of a submodule.

    Returns:
        Its path; empty for the model itself.
    """
    parts = path.split('.')
    for length in range(len(parts) - 1, 0, -1):
        ancestor = '.'.join(parts[:length])
        found = config_at(config, ancestor)
        if isinstance(found, Mapping) and 'type' in found:
            return ancestor
    return ''


def copy_config(config: Mapping) -> ConfigDict:
    """A deep copy that can be changed freely."""
    return ConfigDict(copy.deepcopy(dict(config)))


def exchange_config(config: ConfigDict, path: str, part: ConfigDict) -> ConfigDict:
    """Puts a config in the place of another.

    Args:
        config: Config of the model; changed in place.
        path: Dotted path of the place; empty for the model itself.
        part: What comes there.

    Returns:
        The config, or ``part`` if that took its place.
    """
    if not path:
        return part
    parent, _, name = path.rpartition('.')
    holder = config_at(config, parent)
    holder[int(name) if isinstance(holder, list) else name] = part
    return config


def merge_configs(config: Mapping, changes: Mapping) -> ConfigDict:
    """A copy of a config with changes, as a file that inherits it would make them (``_delete_`` included)."""
    merged = Config(dict(owner=copy.deepcopy(dict(config))))
    merged.merge_from_dict(dict(owner=copy.deepcopy(dict(changes))))
    return merged.owner


def build_model(config: Mapping) -> nn.Module:
    """Builds a model from a copy of its config, since the constructors of some models change theirs."""
    return MODELS.build(copy.deepcopy(config))
