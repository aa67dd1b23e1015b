"""The student as a plain model: names, config and weights without any distiller."""
from __future__ import annotations

import copy
import inspect
from typing import Any

from mmengine.config import ConfigDict
from torch import Tensor, nn

from ct_mm.registry import MODELS

from .layer_stack import LayerStack
from .stage_divided_backbone import StageDividedBackbone
from .stage_plan import StagePlan

#: Names under which backbone configs keep their number of layers.
DEPTH_KEYS = ('depth', 'num_layers', 'num_hidden_layers')


def exchange_submodule(model: nn.Module, path: str, module: nn.Module) -> nn.Module:
    """Puts a module in the place of another.

    Args:
        model: Where.
        path: Dotted path of the place; empty for the model itself.
        module: What.

    Returns:
        The model, or ``module`` if that took its place.
    """
    if not path:
        return module
    parent, _, name = path.rpartition('.')
    setattr(model.get_submodule(parent), name, module)
    return model


def plain_names(model: nn.Module, teacher: bool = False) -> dict[str, str]:
    """What each entry of a divided model's state dict is called in the plain model.

    Args:
        model: A model with stage-divided backbones anywhere inside.
        teacher: Number layers as in the N-layer teacher instead of the K-layer student.

    Returns:
        Plain names by the model's own.
    """
    divided = {path: module for path, module in model.named_modules() if isinstance(module, StageDividedBackbone)}
    names = {}
    for key in model.state_dict():
        names[key] = key
        for path, module in divided.items():
            prefix = f'{path}.' if path else ''
            if key.startswith(prefix):
                names[key] = prefix + module.plain_key(key[len(prefix):], teacher)
    return names


def plain_state_dict(model: nn.Module) -> dict[str, Tensor]:
    """The weights of a divided model under the names of the plain K-layer model.

    Args:
        model: A model with a stage-divided backbone.

    Returns:
        Copies on the CPU.
    """
    names = plain_names(model)
    return {names[key]: value.detach().cpu().clone() for key, value in model.state_dict().items()}


def plain_model_config(model: dict, stack: LayerStack, plan: StagePlan) -> ConfigDict | None:
    """The config of the plain K-layer model, if the model's config can say it.

    Args:
        model: Config of the N-layer model.
        stack: Where its blocks are.
        plan: The division.

    Returns:
        A copy of the config with K layers, or ``None`` if no key of the owner of the blocks holds their
        number.
    """
    config = ConfigDict(copy.deepcopy(dict(model)))
    owner: Any = config
    for part in filter(None, stack.parent_path.split('.')):
        owner = owner.get(part) if isinstance(owner, dict) else None
    if not isinstance(owner, dict) or 'type' not in owner:
        return None
    built = owner['type'] if inspect.isclass(owner['type']) else MODELS.get(owner['type'])
    defaults = inspect.signature(built).parameters if built is not None else {}
    for key in DEPTH_KEYS:
        default = defaults[key].default if key in defaults else None
        if owner.get(key, default) == plan.num_layers:
            owner[key] = plan.num_stages
            return config
    return None


def divided_model_config(model: dict, stack: LayerStack, plan: StagePlan, pass_through: Any = None) -> ConfigDict:
    """The config of the student as a divided model, for models whose config cannot say K layers.

    Args:
        model: Config of the N-layer model.
        stack: Where its blocks are.
        plan: The division.
        pass_through: See :class:`StageDividedBackbone`.

    Returns:
        A copy of the config whose owner of the blocks is wrapped in a :class:`StageDividedBackbone`.

    Raises:
        ValueError: If the owner of the blocks has no config of its own to wrap.
    """
    config = ConfigDict(copy.deepcopy(dict(model)))
    parts = [part for part in stack.parent_path.split('.') if part]
    holder: Any = config
    for part in parts[:-1]:
        holder = holder.get(part) if isinstance(holder, dict) else None
    owner = config if not parts else holder.get(parts[-1]) if isinstance(holder, dict) else None
    if not isinstance(owner, dict) or 'type' not in owner:
        raise ValueError(f'the owner of {stack.path} has no config of its own, so a model with fewer layers there '
                         f'cannot be written as a config')
    wrapped = ConfigDict(
        type='ct_mm.StageDividedBackbone',
        backbone=owner,
        layers=stack.name,
        stage_sizes=[len(stage) for stage in plan.stages])
    if pass_through is not None:
        wrapped.pass_through = pass_through
    if not parts:
        return wrapped
    holder[parts[-1]] = wrapped
    return config
