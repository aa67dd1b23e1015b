"""Checks the invariants of a compression, for any row."""
from __future__ import annotations

import copy
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from mmengine.config import Config
from mmengine.hooks import Hook
from mmengine.registry import init_default_scope
from mmengine.runner import Runner
from mmengine.structures import BaseDataElement
from torch import Tensor, nn
from torch.utils._pytree import tree_leaves

from ct_mm import CompressRunner
from ct_mm.compression import FeatureMimicLoss, StageDividedBackbone
from ct_mm.compression.distillation.distillation_losses import DistillationLosses
from ct_mm.compression.distillation.step_outputs import StepOutputs, read_stages
from ct_mm.compression.distillation.taps import tap_outputs
from ct_mm.compression.export.student import export_student
from ct_mm.engine.checkpoints.reading import read_state_dict
from ct_mm.registry import MODELS

from .row import ROWS, Case, Outcome

#: Training steps of a row.
STEPS = 40


def check_row(name: str, folder: Path, steps: int = STEPS) -> Outcome:
    """Compresses a row's architecture in a real run and checks every invariant.

    Args:
        name: Name of the row.
        folder: An empty folder for the run.
        steps: Training steps.

    Returns:
        The outcome. Failed invariants are in ``checks``; an error while building or running is raised.
    """
    start = time.perf_counter()
    case = ROWS[name]()
    outcome = Outcome(name, case.source, note=case.note)
    runner = CompressRunner.from_cfg(training_config(case, name, folder, steps))
    runner.register_hook(_Probe(outcome, case.mode), priority='VERY_LOW')
    runner.train()
    _check_export(runner, folder / 'student', outcome, case.mode)
    outcome.seconds = time.perf_counter() - start
    return outcome


def training_config(case: Case, name: str, folder: Path, steps: int) -> Config:
    """Writes a teacher with random weights and returns the config of its compression as a user has it."""
    init_default_scope(case.scope)
    torch.manual_seed(0)
    model = copy.deepcopy(case.model)  # mmdet's constructors change their configs
    if case.data_preprocessor is not None:
        model['data_preprocessor'] = dict(case.data_preprocessor)
    teacher = MODELS.build(model)
    for parameter in teacher.parameters():  # fresh layers hardly change the stream; trained ones do
        spread = parameter[0].numel()**-0.5 if parameter.dim() > 1 else 0.2
        parameter.data += spread * torch.randn_like(parameter)
    torch.save(dict(state_dict=teacher.state_dict()), folder / 'teacher.pth')
    cfg = dict(
        default_scope=case.scope,
        work_dir=str(folder),
        model=case.model,
        train_dataloader=dict(
            batch_size=len(case.samples),
            num_workers=0,
            sampler=dict(type='InfiniteSampler', shuffle=False),
            dataset=dict(type='architectures.row.RowSamples', row=name),
            collate_fn=dict(type='default_collate' if case.scope == 'mmengine' else 'pseudo_collate')),
        optim_wrapper=dict(optimizer=dict(type='AdamW', lr=1e-3), clip_grad=dict(max_norm=1.0)),
        train_cfg=dict(type='IterBasedTrainLoop', max_iters=steps),
        default_hooks=dict(checkpoint=None),
        log_level='WARNING',
        experiment_name=folder.name,
        visualizer=dict(type='Visualizer', name=folder.name, vis_backends=[]),
        randomness=dict(seed=0),
        compress=dict(
            case.compress, teacher=str(folder / 'teacher.pth'), guidance=None,
            mimic=dict(type='ct_mm.FeatureMimicLoss', loss_weight=case.mimic_weight)))
    if case.data_preprocessor is not None:
        cfg['data_preprocessor'] = case.data_preprocessor
    return Config(cfg)


class _Probe(Hook):
    """Checks the distiller before the first step and after the last."""

    def __init__(self, outcome: Outcome, mode: str) -> None:
        self.outcome, self.mode = outcome, mode

    def before_train(self, runner: Runner) -> None:
        model, outcome = runner.model, self.outcome
        self.batch, self.teacher = batch_of(runner), snapshot(model.teacher)
        self.mimic = mimic_of_the_student(model, self.batch, self.mode)
        outcome.stacks = [(stack.name, stack.plan.num_layers, stack.plan.num_student_layers)
                          for stack in model.divided.stacks]
        outcome.parameters = tuple(sum(p.numel() for p in m.parameters()) for m in (model.teacher, model.student))
        outcome.checks['teacher path'] = check_teacher_path(model, self.batch, self.mode)
        outcome.checks['gradient'] = check_gradient(model, self.batch, self.mode)
        model.train()

    def after_train(self, runner: Runner) -> None:
        model, checks = runner.model, self.outcome.checks
        now = snapshot(model.teacher)
        changed = [name for name, value in self.teacher.items() if not torch.equal(value, now[name])]
        checks['teacher kept'] = f'{len(changed)} entries changed, {changed[0]} first' if changed else ''
        before, after = self.outcome.mimic = self.mimic, mimic_of_the_student(model, self.batch, self.mode)
        checks['mimic falls'] = '' if after < before else f'{before:.3g} -> {after:.3g}'


def check_teacher_path(distiller: nn.Module, batch: dict, mode: str) -> str:
    """Checks that the path with every stage run by the teacher equals the teacher, bit for bit."""
    with along(distiller, lambda stage: False):
        student = frozen_outputs(distiller.student, batch, mode)
        return difference(student, frozen_outputs(distiller.teacher, batch, mode))


def check_gradient(distiller: nn.Module, batch: dict, mode: str) -> str:
    """Checks that the first student layer of each stack gets a gradient through the teacher's stages."""
    with along(distiller, lambda stage: stage == 0):
        outputs = [value for value in outputs_of(distiller.student, batch, mode) if value.requires_grad]
        if outputs:
            sum(value.float().square().sum() for value in outputs).backward()
    found = [f'none in {stack.name}' for stack in distiller.divided.stacks
             if not any(p.grad is not None and p.grad.abs().sum() > 0 for p in stack.student_layers[0].parameters())]
    found += [f'one in {name} of the teacher' for name, p in distiller.teacher.named_parameters() if p.grad is not None]
    distiller.zero_grad(set_to_none=True)
    return '; '.join(found)


def _check_export(runner: Runner, folder: Path, outcome: Outcome, mode: str) -> None:
    """Checks that the exported student, rebuilt from its two files, equals the pure student, bit for bit."""
    cfg = Config.fromfile(folder / 'student.py')
    if cfg.get('data_preprocessor') is not None:
        cfg.model.setdefault('data_preprocessor', cfg.data_preprocessor)  # as the Runner does
    plain = MODELS.build(copy.deepcopy(cfg.model))
    weights = read_state_dict(folder / 'student.pth')
    if weights.keys() != plain.state_dict().keys():
        outcome.checks['student path'] = f'other entries: {sorted(weights.keys() ^ plain.state_dict().keys())[:3]}'
        return
    plain.load_state_dict(weights, strict=False)  # Swin V2 leaves buffers out of its state dict, but asks for them
    wrapped = any(isinstance(module, StageDividedBackbone) for module in plain.modules())
    outcome.exported = 'divided' if wrapped else 'plain'
    batch = batch_of(runner)
    if wrapped:
        reason = export_student(runner.model, runner.cfg.model.model, batch).reason
        outcome.note = ' '.join(filter(None, [outcome.note, f'Exported divided, because {reason}.']))
    outcome.checks['student path'] = difference(
        frozen_outputs(runner.model.student, batch, mode), frozen_outputs(plain, batch, mode))


@contextmanager
def along(distiller: nn.Module, by_student: Callable[[int], bool]) -> Iterator[None]:
    """Sets the path of every divided stack for as long as the context lasts.

    Args:
        distiller: Whose student.
        by_student: Whether the student runs a stage, from its number in its stack.
    """
    stages = [stage for stack in distiller.divided.stacks for stage in range(stack.plan.num_stages)]
    with distiller.divided.along([by_student(stage) for stage in stages]):
        yield


def batch_of(runner: Runner) -> dict:
    """The batch of a row, as the model takes it."""
    loader = runner.train_loop.dataloader
    data = loader.collate_fn([loader.dataset[index] for index in range(len(loader.dataset))])
    return runner.model.data_preprocessor(copy.deepcopy(data), False)


def outputs_of(model: nn.Module, batch: dict, mode: str) -> list[Tensor]:
    """Every tensor that a model returns in eval mode."""
    training = model.training
    torch.manual_seed(0)
    outputs = model.eval()(batch['inputs'], copy.deepcopy(batch.get('data_samples')), mode=mode)
    model.train(training)
    return _tensors(outputs)


def frozen_outputs(model: nn.Module, batch: dict, mode: str) -> list[Tensor]:
    """The same without gradient and with frozen weights, which changes how PyTorch folds and rounds some products."""
    trainable = [parameter for parameter in model.parameters() if parameter.requires_grad]
    try:
        for parameter in trainable:
            parameter.requires_grad_(False)
        with torch.no_grad():
            return outputs_of(model, batch, mode)
    finally:
        for parameter in trainable:
            parameter.requires_grad_(True)


def _tensors(outputs: Any) -> list[Tensor]:
    leaves = [dict(leaf.items()) if isinstance(leaf, BaseDataElement) else leaf for leaf in tree_leaves(outputs)]
    return [tensor for leaf in leaves for tensor in (
        [leaf] if isinstance(leaf, Tensor) else _tensors(leaf) if isinstance(leaf, dict) else [])]


def mimic_of_the_student(distiller: nn.Module, batch: dict, mode: str) -> float:
    """Mimic loss of the pure student in eval mode, without its weight."""
    divided = distiller.divided
    with torch.no_grad(), tap_outputs(divided.stage_ends) as ends, \
            tap_outputs(divided.ends_of(distiller.teacher)) as target_ends:
        for model in (distiller.student, distiller.teacher):
            outputs_of(model, batch, mode)
        student, teacher = (StepOutputs(read_stages(divided.owners, calls)) for calls in (ends, target_ends))
        return float(DistillationLosses(dict(mimic=FeatureMimicLoss(1.0)))(student, teacher)['loss_mimic'])


def difference(ours: list[Tensor], theirs: list[Tensor]) -> str:
    """Describes where two lists of tensors differ; empty if they are equal, bit for bit."""
    if len(ours) != len(theirs):
        return f'{len(ours)} tensors and {len(theirs)}'
    for index, (a, b) in enumerate(zip(ours, theirs)):
        if a.shape != b.shape:
            return f'output {index} is {tuple(a.shape)} and {tuple(b.shape)}'
        if not torch.equal(a, b):
            return f'output {index} differs by {(a.float() - b.float()).abs().max():.2g}'
    return '' if ours else 'no output'


def snapshot(module: nn.Module) -> dict[str, Tensor]:
    """Copies of all weights and buffers."""
    return {name: value.clone() for name, value in module.state_dict().items()}
