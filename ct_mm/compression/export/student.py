"""The student for use: a plain model if its config can say it, else a divided one without a teacher."""
from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from mmengine.config import ConfigDict
from torch import Tensor, nn

from ..batch import run_model
from ..config_tree import build_model
from ..distillation.replacement_distiller import ReplacementDistiller
from ..distillation.taps import first_tensor, tap_outputs
from ..division.divided_model import DividedModel
from ..division.slot import Slot
from ..division.tensor_names import copy_tensors, plain_name
from .divided_config import divided_model_config
from .plain_config import plain_model_config
from .same_structure import difference

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
        batch: A preprocessed batch, as the model takes it. Without one, nothing is folded.

    Returns:
        The student.

    Raises:
        ValueError: If not even the divided form can be built from a config.
    """
    student, division = distiller.student, distiller.divided
    layers = _layers(student)
    expected = None if batch is None else _run(student, batch, [path for path, _ in layers])
    reasons = []
    adapted = any(stack.has_adapters for stack in division.stacks)
    try:
        if adapted:
            raise ValueError('its layers have another width than the model around them')
        plain = plain_model_config(config, division)
        model = _built(plain, student)
        _compare_structure(student, model, layers)
        _compare_outputs(expected, model, batch, SAME, [its for _, its in layers])
        return ExportedStudent(plain, _weights(model), 'plain')
    except ValueError as error:
        reasons.append(str(error))
    if adapted:
        folded, folded_division = copy.deepcopy((student, division))  # together: the second refers to the first
        folded_division.fold()
        try:
            if batch is None:
                raise ValueError('there was no batch to compare on')
            return _divided(config, folded, folded_division, expected, batch, REORDERED, 'folded', reasons)
        except ValueError as error:
            reasons.append(f'the maps between its stages are not folded: {error}')
    return _divided(config, student, division, expected, batch, SAME, 'divided', reasons)


def _divided(config: Mapping, student: nn.Module, division: DividedModel, expected: list | None,
             batch: Mapping | None, tolerance: float, form: str, reasons: Sequence[str]) -> ExportedStudent:
    try:
        divided = divided_model_config(config, division)
        model = _built(divided, student, slots=True)
    except ValueError:  # a parent may look into the configs of its parts, so that they cannot be wrapped
        divided = divided_model_config(config, division, whole=True)
        model = _built(divided, student, slots=True)
    _compare_outputs(expected, model, batch, tolerance)
    return ExportedStudent(divided, _weights(model), form, '; '.join(reasons))


def _weights(model: nn.Module) -> dict[str, Tensor]:
    return {key: value.detach().cpu().clone() for key, value in model.state_dict().items()}


def _layers(student: nn.Module) -> list[tuple[str, str]]:
    """The paths of the student's layers, each with its path in the plain model."""
    paths = [path for path, module in student.named_modules() if isinstance(module, Slot) and module.layer is not None]
    return [(path, plain_name(student, path)) for path in paths]


def _built(config: ConfigDict, student: nn.Module, slots: bool = False) -> nn.Module:
    """Another form of the student, with its weights."""
    try:
        model = build_model(config)
    except ERRORS as error:
        raise ValueError(f'it cannot be built from a config: {error}') from error
    model.to(next(student.parameters()).device).eval()
    copy_tensors(student, model, slots)
    return model


def _compare_structure(student: nn.Module, plain: nn.Module, layers: Sequence[tuple[str, str]]) -> None:
    for mine, its in layers:
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
        for x, y in _pairs(name, a, b):
            error = (x - y).abs().max() / x.abs().max().clamp(min=1e-6) if x.numel() else torch.zeros(())
            if not torch.equal(x, y) and not error <= tolerance:
                raise ValueError(f'the output of {name} differs by {float(error):.1e} of its largest value')


def _pairs(name: str, a: Any, b: Any) -> Iterator[tuple[Tensor, Tensor]]:
    """Tensors of two outputs that must agree. Where each layer has one, in a list or stacked, it is the last."""
    if isinstance(a, Tensor) and isinstance(b, Tensor):
        if a.shape != b.shape and a.shape[1:] == b.shape[1:]:
            a, b = a[-1], b[-1]
        if a.shape != b.shape:
            raise ValueError(f'{name} puts out {tuple(b.shape)} instead of {tuple(a.shape)}')
        yield a.float(), b.float()
    elif isinstance(a, Mapping) and isinstance(b, Mapping) and a.keys() == b.keys():
        for key in a:
            yield from _pairs(name, a[key], b[key])
    elif isinstance(a, (tuple, list)) and isinstance(b, (tuple, list)) and a and b:
        for x, y in zip(a, b) if len(a) == len(b) else [(a[-1], b[-1])]:
            yield from _pairs(name, x, y)
    elif type(a) is not type(b):
        raise ValueError(f'{name} puts out a {type(b).__name__} instead of a {type(a).__name__}')


@torch.no_grad()
def _run(model: nn.Module, batch: Mapping, paths: Sequence[str]) -> list[Any]:
    training = [(module, module.training) for module in model.modules()]
    model.eval()
    try:
        with tap_outputs([model.get_submodule(path) for path in paths]) as taps:
            output = run_model(model, batch, 'tensor')
        return [*(calls[-1] if calls else None for calls in taps), output]
    finally:
        for module, mode in training:
            module.training = mode
