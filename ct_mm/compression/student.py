"""The student under the names of a plain model."""
from __future__ import annotations

from torch import Tensor, nn

from .slot import Slot
from .stage_divided_backbone import StageDividedBackbone


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


def plain_name(model: nn.Module, name: str, teacher: bool = False) -> str:
    """What a module or an entry of a divided model's state dict is called in the plain model.

    Args:
        model: A model with stage-divided backbones anywhere inside, or itself one.
        name: Name there.
        teacher: Number layers as in the N-layer teacher instead of the student.

    Returns:
        Its name in the plain model.
    """
    return _plain(_divided(model), name, teacher)


def plain_names(model: nn.Module, teacher: bool = False) -> dict[str, str]:
    """What each entry of a divided model's state dict is called in the plain model.

    Args:
        model: See :func:`plain_name`.
        teacher: Number layers as in the N-layer teacher instead of the student.

    Returns:
        Plain names by the model's own.
    """
    divided = _divided(model)
    return {key: _plain(divided, key, teacher) for key in model.state_dict()}


def plain_state_dict(model: nn.Module) -> dict[str, Tensor]:
    """The weights of a divided model under the names of the plain student.

    Args:
        model: A model with stage-divided backbones.

    Returns:
        Copies on the CPU.
    """
    names = plain_names(model)
    return {names[key]: value.detach().cpu().clone() for key, value in model.state_dict().items()}


def load_shared(model: nn.Module, state: dict[str, Tensor]) -> None:
    """Loads everything but the student's layers, completely.

    Args:
        model: A divided model.
        state: The teacher's weights by name.
    """
    slots = tuple(f'{path}.' for path, module in model.named_modules() if isinstance(module, Slot))
    own = model.state_dict()
    names = plain_names(model, teacher=True)
    model.load_state_dict({key: own[key] if key.startswith(slots) else state[names[key]] for key in own})


def _divided(model: nn.Module) -> list[tuple[str, StageDividedBackbone]]:
    divided = [(path, module) for path, module in model.named_modules() if isinstance(module, StageDividedBackbone)]
    return sorted(divided, key=lambda item: len(item[0]), reverse=True)  # one inside another first


def _plain(divided: list[tuple[str, StageDividedBackbone]], name: str, teacher: bool) -> str:
    for path, module in divided:
        prefix = f'{path}.' if path else ''
        if name.startswith(f'{prefix}backbone.'):
            name = prefix + module.plain_key(name[len(prefix):], teacher)
    return name
