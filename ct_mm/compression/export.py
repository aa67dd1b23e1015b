"""The student for use: a plain model if its config can say it, else a divided one without a teacher."""
from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from mmengine.config import ConfigDict
from torch import Tensor, nn
from torch.utils._pytree import tree_leaves

from ct_mm.registry import MODELS

from .model_config import config_at, copy_config, exchange_config
from .plain_config import plain_model_config
from .replacement_distiller import ReplacementDistiller
from .same_structure import difference
from .slot import Slot
from .student import plain_name, plain_state_dict
from .tap import first_tensor, tap_outputs

#: What building or running somebody's model from a config that does not suit it may raise.
ERRORS = (AssertionError, ValueError, TypeError, LookupError, AttributeError, RuntimeError, NotImplementedError)
#: How much outputs may differ, relative to the largest value: the same sums, and sums in another order.
SAME, REORDERED = 1e-5, 1e-4


@dataclass(frozen=True)
class ExportedStudent:
    """A student as a config and weights that fit it strictly.

    Args:
        config: Config of the model.
        weights: Its state dict, on the CPU.
        form: ``plain``, ``divided``, or ``folded`` if that and the linear maps between its stages are folded.
        reason: Why it is not plain, or not folded; empty if it is plain.
    """

    config: ConfigDict
    weights: dict[str, Tensor]
    form: str
    reason: str = ''


def export_student(distiller: ReplacementDistiller, config: Mapping, batch: Mapping | None = None) -> ExportedStudent:
    """Chooses the simplest form that is the student, and makes sure that it is.

    A form is built from its config and compared with the student: names and shapes of the weights, for the plain form
    the structure of the layers, and, given a batch, the outputs of all layers and of the model. What is not the student
    is not exported; the divided form is the student by its making.

    Args:
        distiller: The trained distiller.
        config: Config of the model that was compressed.
        batch: A preprocessed batch, ``inputs`` and perhaps ``data_samples``. Without one, nothing is folded.

    Returns:
        The student.

    Raises:
        ValueError: If not even the divided form can be built from a config.
    """
    student = distiller.student
    layers = _layers(student)
    expected = None if batch is None else _run(student, batch, [path for path, _ in layers])
    divisions = dict(zip(distiller.changes, distiller.divisions))
    reasons = []
    try:
        plain = plain_model_config(config, divisions, distiller.changes)
        weights = plain_state_dict(student)
        model = _built(plain, weights, student)
        _compare_structure(student, model)
        _compare_outputs(expected, model, batch, SAME, [its for _, its in layers])
        return ExportedStudent(plain, weights, 'plain')
    except ValueError as error:
        reasons.append(str(error))
    if any(stack.has_adapters for stack in distiller.stacks):
        folded = copy.deepcopy(student)
        for path in divisions:
            folded.get_submodule(path).fold()
        try:
            if batch is None:
                raise ValueError('there was no batch to compare on')
            divided, weights = divided_model_config(config, folded, distiller.changes), _weights(folded)
            _compare_outputs(expected, _built(divided, weights, student), batch, REORDERED)
            return ExportedStudent(divided, weights, 'folded', reasons[0])
        except ValueError as error:
            reasons.append(f'the maps between its stages are not folded: {error}')
    divided, weights = divided_model_config(config, student, distiller.changes), _weights(student)
    _compare_outputs(expected, _built(divided, weights, student), batch, SAME)
    return ExportedStudent(divided, weights, 'divided', '; '.join(reasons))


def divided_model_config(
    config: Mapping,
    student: nn.Module,
    changes: Mapping[str, Sequence[Mapping | None]],
) -> ConfigDict:
    """The config of the student as a divided model.

    Args:
        config: Config of the N-layer model.
        student: The divided model.
        changes: For the path of each divided module and each of its stacks what the config says differently for the
            student's layers.

    Returns:
        A copy of the config whose owners of stacks are wrapped in a :class:`StageDividedBackbone`.
    """
    config = copy_config(config)
    for path in sorted(changes, key=len, reverse=True):  # one inside another first
        wrapped = ConfigDict(type='ct_mm.StageDividedBackbone', backbone=config_at(config, path),
                             **student.get_submodule(path).settings())
        if any(changes[path]):
            alike = all(change == changes[path][0] for change in changes[path])
            wrapped.student = copy.deepcopy(changes[path][0] if alike else list(changes[path]))
        config = exchange_config(config, path, wrapped)
    return config


def _weights(model: nn.Module) -> dict[str, Tensor]:
    return {key: value.detach().cpu().clone() for key, value in model.state_dict().items()}


def _layers(student: nn.Module) -> list[tuple[str, str]]:
    """The paths of the student's layers, each with its path in the plain model."""
    paths = [path for path, module in student.named_modules() if isinstance(module, Slot) and module.layer is not None]
    return [(path, plain_name(student, path)) for path in paths]


def _built(config: ConfigDict, weights: Mapping[str, Tensor], like: nn.Module) -> nn.Module:
    try:
        model = MODELS.build(copy.deepcopy(config))
    except ERRORS as error:
        raise ValueError(f'a model with fewer layers cannot be built: {error}') from error
    own = model.state_dict()
    for name in [*own, *(name for name in weights if name not in own)]:
        shapes = [tuple(side[name].shape) if name in side else 'missing' for side in (weights, own)]
        if shapes[0] != shapes[1]:
            raise ValueError(f'{name} is {shapes[0]} in the student and {shapes[1]} in a {type(model).__name__} with '
                             f'fewer layers')
    model.load_state_dict(weights)
    return model.to(next(like.parameters()).device).eval()


def _compare_structure(student: nn.Module, plain: nn.Module) -> None:
    for mine, its in _layers(student):
        found = difference(student.get_submodule(mine).layer, plain.get_submodule(its))
        if found is not None:
            raise ValueError(f'the layer at {its} of a model with fewer layers is not that of the student: {found}')


def _compare_outputs(expected: list | None, model: nn.Module, batch: Mapping | None, tolerance: float,
                     layers: Sequence[str] = ()) -> None:
    if expected is None:
        return
    try:
        outputs = _run(model, batch, layers)
    except ERRORS as error:
        raise ValueError(f'it cannot run: {error}') from error
    names = [*layers, 'the model']
    for name, a, b in zip(names, expected[-len(names):], outputs):
        if name in layers:  # what else than tokens a block returns is between it and its neighbours
            a, b = (first_tensor(side, name) for side in (a, b))
        a, b = ([leaf.float() for leaf in tree_leaves(side) if isinstance(leaf, Tensor)] for side in (a, b))
        if len(a) != len(b):
            raise ValueError(f'{name} puts out {len(b)} tensors instead of {len(a)}')
        for x, y in zip(a, b):
            if x.shape != y.shape and x.shape[1:] == y.shape[1:]:
                x, y = x[-1], y[-1]  # one output for each layer: the last is what counts
            if x.shape != y.shape:
                raise ValueError(f'{name} puts out {tuple(y.shape)} instead of {tuple(x.shape)}')
            error = (x - y).abs().max() / x.abs().max().clamp(min=1e-6) if x.numel() else torch.zeros(())
            if not torch.equal(x, y) and not error <= tolerance:
                raise ValueError(f'the output of {name} differs by {float(error):.1e} of its largest value')


@torch.no_grad()
def _run(model: nn.Module, batch: Mapping, paths: Sequence[str]) -> list[Any]:
    training = [(module, module.training) for module in model.modules()]
    model.eval()
    try:
        with tap_outputs([model.get_submodule(path) for path in paths]) as taps:
            output = model(batch['inputs'], batch.get('data_samples'), mode='tensor')
        return [*taps, output]
    finally:
        for module, mode in training:
            module.training = mode
