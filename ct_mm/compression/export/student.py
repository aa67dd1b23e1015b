"""The student for use: a plain model if its config can express it, else a divided one without a teacher."""
from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from mmengine.config import Config, ConfigDict
from torch import Tensor, nn

from ct_mm.engine.checkpoints.writing import save_checkpoint
from ct_mm.engine.guard_training import unguard_training
from ct_mm.engine.whole_file import full_disk_explained, whole_file, write_text

from ..batch import describe, eval_mode, run_model
from ..config_tree import build_model
from ..distillation.replacement_distiller import ReplacementDistiller
from ..distillation.taps import first_tensor, tap_outputs
from ..division.divided_model import DividedModel
from ..division.slot import Slot
from ..division.tensor_names import copy_tensors, plain_name
from .hybrid import build_hybrid
from .same_structure import difference
from .student_configs import divided_model_config, plain_model_config

#: Errors of building or running a model from a config that does not suit it.
ERRORS = (AssertionError, ValueError, TypeError, LookupError, AttributeError, RuntimeError, NotImplementedError)
#: Allowed difference of outputs, relative to the largest value: for the same sums, and for sums in another order.
SAME, REORDERED = 1e-5, 1e-4


@dataclass(frozen=True)
class ExportedStudent:
    """A student as a config and weights that load into it strictly.

    Args:
        config: Config of the model.
        weights: Its state dict, on the CPU.
        form: ``plain``, ``divided``, or ``folded``: divided, with the linear maps between its stages folded.
        reason: Why the student is not plain, or not folded; empty if it is plain.
        stages: The teacher's layers of each stage, which each file of the student names.
    """

    config: ConfigDict
    weights: dict[str, Tensor]
    form: str
    reason: str = ''
    stages: Sequence[Sequence[int]] = ()


def export_student(distiller: ReplacementDistiller, config: Mapping, batch: Any = None,
                   path: Sequence[bool] | None = None) -> ExportedStudent:
    """Chooses the simplest form that equals the student, or the hybrid along a path, and verifies it.

    Each form is built from its config and compared with the student: names and shapes of the weights, for the plain
    form the structure of the layers, and, given a batch, the outputs of all layers and of the model. A form that
    differs is not exported.

    Args:
        distiller: The trained distiller.
        config: Config of the model that was compressed.
        batch: A preprocessed batch, as the model takes it. Without one, nothing is folded.
        path: For each stage, whether the student's layers run it; the teacher's run the others, so the teacher needs
            its weights. A hybrid of two widths keeps the linear maps around its student stages.

    Returns:
        The student.

    Raises:
        ValueError: If not even the divided form can be built from a config, or the path does not fit.
    """
    student, division, pure = distiller.student, distiller.divided, path is None or all(path)
    if not pure:
        student, division = build_hybrid(distiller, config, path)
    slots = [path for path, module in student.named_modules() if isinstance(module, Slot) and module.layer is not None]
    names = [plain_name(student, path) for path in slots]
    with distiller.divided.along([True] * distiller.divided.num_stages if path is None else path):
        expected = None if batch is None else _run(distiller.student, batch, slots)
    adapted = any(stack.has_adapters for stack in division.stacks)
    reasons = []
    try:
        if adapted:
            raise ValueError('its layers have another width than the model around them')
        plain = plain_model_config(config, division)
        model = _built(plain, student)
        for path, name in zip(slots, names):
            found = difference(student.get_submodule(path).layer, model.get_submodule(name))
            if found is not None:
                raise ValueError(f"layer {name} of a model with fewer layers differs from the student's: {found}")
        _compare_outputs(expected, model, batch, SAME, names)
        return _exported(plain, model, division, 'plain', reasons)
    except ValueError as error:
        reasons.append(str(error))
    if adapted and pure:
        folded, folded_division = copy.deepcopy((student, division))  # together: the second refers to the first
        folded_division.fold()
        try:
            if batch is None:
                raise ValueError('there was no batch to compare on')
            return _divided(config, folded, folded_division, expected, batch, REORDERED, 'folded', reasons)
        except ValueError as error:
            reasons.append(f'the maps between its stages are not folded: {error}')
    return _divided(config, student, division, expected, batch, SAME, 'divided', reasons)


def save_student(student: ExportedStudent, cfg: Config, weights: Path, iteration: int | None = None,
                 path: str | None = None) -> Path:
    """Writes weights and config, each atomically.

    Args:
        student: The student.
        cfg: Config of the compression run.
        weights: File of the weights; ``.safetensors`` holds only the weights and ``meta`` as text, every other suffix
            is a checkpoint with ``state_dict`` and ``meta``: the iteration and the stages.
        iteration: How many iterations it was trained.
        path: Path of a hybrid, such as ``'1011'``.

    Returns:
        The file of the config, ``student.py`` in the same folder.

    Raises:
        ImportError: If the file is to be a ``.safetensors`` and that package is not installed.
        OSError: If the disk is full; the message says what to do.
    """
    meta = dict(iter=iteration, stages=[list(stage) for stage in student.stages], **(dict(path=path) if path else {}))
    size = sum(value.numel() * value.element_size() for value in student.weights.values())
    with full_disk_explained(weights, size):
        if weights.suffix == '.safetensors':
            from safetensors.torch import save
            with whole_file(weights, durable=True) as unfinished:
                unfinished.write_bytes(save({name: value.contiguous() for name, value in student.weights.items()},
                                            {key: str(value) for key, value in meta.items()}))
        else:
            save_checkpoint(dict(state_dict=student.weights, meta=meta), weights)
        return write_text(weights.with_name('student.py'), student_run_config(cfg, student.config).pretty_text,
                          durable=True)


def student_run_config(cfg: Config, model: Mapping) -> Config:
    """Turns the config of a compression run into that of its student.

    Args:
        cfg: Config of the compression run.
        model: Config of the student model.

    Returns:
        A new config without ``compress``, this package's hooks and guards, and the settings of this one run.
    """
    config = copy.deepcopy(cfg)
    config.model = model
    for key in ('compress', 'runner_type', 'work_dir', 'load_from', 'start_from', 'resume', 'launcher'):
        config.pop(key, None)
    # The hooks of this package belong to the compression (path, export, report of the run); the user's stay.
    config.custom_hooks = [hook for hook in config.get('custom_hooks') or []
                           if not str(hook['type']).startswith('ct_mm.')]
    return unguard_training(config)


def _divided(config: Mapping, student: nn.Module, division: DividedModel, expected: list | None, batch: Any,
             tolerance: float, form: str, reasons: Sequence[str]) -> ExportedStudent:
    try:
        divided = divided_model_config(config, division)
        model = _built(divided, student, slots=True)
    except ValueError:  # a parent may read the configs of its parts, so that they cannot be wrapped
        divided = divided_model_config(config, division, whole=True)
        model = _built(divided, student, slots=True)
    _compare_outputs(expected, model, batch, tolerance)
    return _exported(divided, model, division, form, reasons)


def _exported(config: ConfigDict, model: nn.Module, division: DividedModel, form: str,
              reasons: Sequence[str]) -> ExportedStudent:
    weights = {key: value.detach().cpu().clone() for key, value in model.state_dict().items()}
    stages = [stage for stack in division.stacks for stage in stack.plan.stages]
    return ExportedStudent(config, weights, form, '; '.join(reasons), stages)


def _built(config: ConfigDict, student: nn.Module, slots: bool = False) -> nn.Module:
    """Builds another form of the student, with its weights."""
    try:
        model = build_model(config)
    except ERRORS as error:
        raise ValueError(f'it cannot be built from a config: {error}') from error
    model.to(next(student.parameters()).device).eval()
    copy_tensors(student, model, slots)
    return model


def _compare_outputs(expected: list | None, model: nn.Module, batch: Any, tolerance: float,
                     layers: Sequence[str] = ()) -> None:
    if expected is None:
        return
    try:
        outputs = _run(model, batch, layers)
    except ERRORS as error:
        raise ValueError(f'it cannot run: {error}') from error
    names = [*layers, 'the model']
    for name, a, b in zip(names, expected[-len(names):], outputs):
        if name in layers:  # only the tokens count; what else a block returns concerns only its neighbours
            a, b = (first_tensor(side, name) for side in (a, b))
        for x, y in _pairs(name, a, b):
            error = (x - y).abs().max() / x.abs().max().clamp(min=1e-6) if x.numel() else torch.zeros(())
            if not torch.equal(x, y) and not error <= tolerance:
                raise ValueError(f'the output of {name} differs by {float(error):.1e} of its largest value')


def _pairs(name: str, a: Any, b: Any) -> Iterator[tuple[Tensor, Tensor]]:
    """Yields the tensors of two outputs that must agree. If each layer has an output, only the last one counts."""
    if isinstance(a, Tensor) and isinstance(b, Tensor) and a.shape[1:] == b.shape[1:]:
        yield (a.float(), b.float()) if a.shape == b.shape else (a[-1].float(), b[-1].float())
    elif isinstance(a, Mapping) and isinstance(b, Mapping) and a.keys() == b.keys():
        for key in a:
            yield from _pairs(name, a[key], b[key])
    elif isinstance(a, (tuple, list)) and isinstance(b, (tuple, list)) and a and b:
        for x, y in zip(a, b) if len(a) == len(b) else [(a[-1], b[-1])]:
            yield from _pairs(name, x, y)
    elif type(a) is not type(b) or isinstance(a, Tensor):
        raise ValueError(f'{name} puts out {describe(b)} instead of {describe(a)}')


@torch.no_grad()
def _run(model: nn.Module, batch: Any, paths: Sequence[str]) -> list[Any]:
    with eval_mode(model), tap_outputs([model.get_submodule(path) for path in paths]) as taps:
        output = run_model(model, batch, 'tensor')
    return [*(calls[-1] if calls else None for calls in taps), output]
