"""One training step of CompressTracker around any model of MMEngine.

References:
    CompressTracker, arXiv 2409.17564, section 3.
"""
from __future__ import annotations

from typing import Any, Sequence

import torch
from mmengine.logging import print_log
from mmengine.model import BaseModel
from torch import Tensor, nn

from ct_mm.checkpoint import read_state_dict
from ct_mm.finite import check_losses
from ct_mm.registry import MODELS

from .layer_stack import find_layer_stack
from .slot import Borrowed
from .stage_divided_backbone import StageDividedBackbone
from .student import exchange_submodule, plain_names
from .summary import division_summary
from .tap import first_tensor, tap_outputs

#: What the paper does: 0.2 times the mimic loss, and the tracker's own box losses against the teacher's boxes.
MIMIC = dict(type='ct_mm.FeatureMimicLoss', loss_weight=0.2)
GUIDANCE = dict(type='ct_mm.PredictionGuidanceLoss')


@MODELS.register_module()
class ReplacementDistiller(BaseModel):
    """A student whose stages are run by its own layers or by the frozen teacher's.

    ``loss`` is the model's own losses along the step's path plus ``loss_mimic`` and ``loss_guidance``;
    ``predict`` and ``tensor`` are the pure student's. Attributes that the distiller lacks are the
    student's. The teacher is borrowed, not owned: always in eval mode, never in the state dict, the
    parameters or a weight average, and read again from its own file whenever a run starts or resumes.

    Args:
        model: Config of the model to compress; teacher and student are both built from it.
        teacher: Checkpoint of the trained model.
        num_stages: Student layers K; the teacher's layers are divided evenly.
        stage_sizes: Teacher layers of each stage, instead of ``num_stages``.
        copy: Where a student layer starts from in its stage: ``last``, ``first`` or ``mean``.
        layers: Dotted path of the list of blocks inside the model; ``None`` searches.
        pass_through: What a skipped block returns if blocks return tuples.
        mimic: Config of the loss between stage tokens; ``None`` switches it off.
        guidance: Config of the loss between predictions; ``None`` switches it off.
        predictions: Dotted path of the module whose output, a dict of tensors, are the predictions.
        trust_teacher: Unpickle a teacher file that holds more than tensors.
        init_cfg: Not used: teacher and student both start from the teacher's checkpoint.

    Raises:
        ValueError: If the model has no stack of blocks or several, the plan does not fit it, or the
            guidance names predictions for which the model has no loss.
    """

    def __init__(
        self,
        model: dict,
        teacher: str,
        num_stages: int | None = None,
        stage_sizes: Sequence[int] | None = None,
        copy: str = 'last',
        layers: str | None = None,
        pass_through: Sequence[int | None] | None = None,
        mimic: dict | None = MIMIC,
        guidance: dict | None = GUIDANCE,
        predictions: str = 'head',
        trust_teacher: bool = False,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(init_cfg=init_cfg)
        self.teacher_file, self.trust_teacher = teacher, trust_teacher
        teacher_model = MODELS.build(model).eval().requires_grad_(False)
        self._teacher = Borrowed(teacher_model)
        student = MODELS.build(model)
        self.stack = find_layer_stack(student, layers)
        divided = StageDividedBackbone(
            student.get_submodule(self.stack.parent_path),
            self.stack.name,
            num_stages=num_stages,
            stage_sizes=stage_sizes,
            copy=copy,
            pass_through=pass_through)
        divided.borrow(teacher_model.get_submodule(self.stack.path))
        self.student = exchange_submodule(student, self.stack.parent_path, divided)
        self.data_preprocessor = student.data_preprocessor
        self.mimic = None if mimic is None else MODELS.build(mimic)
        self.predictions = predictions
        self.guidance = None if guidance is None else self._build_guidance(guidance)
        self._path: tuple[bool, ...] | None = None
        self.unused_teacher_keys: list[str] | None = None  # None until the teacher is read
        self._summary_due = True

    @property
    def teacher(self) -> nn.Module:
        """The complete, frozen teacher."""
        return self._teacher.module

    @property
    def teacher_blocks(self) -> nn.ModuleList:
        """The teacher's N blocks."""
        return self.teacher.get_submodule(self.stack.path)

    @property
    def divided(self) -> StageDividedBackbone:
        """The student's backbone."""
        return self.student.get_submodule(self.stack.parent_path)

    @property
    def path(self) -> tuple[bool, ...] | None:
        """Which model runs each stage in the next ``loss``, True for the student; the rate hook sets it."""
        return self._path

    @path.setter
    def path(self, path: Sequence[bool]) -> None:
        if len(path) != self.divided.plan.num_stages:
            raise ValueError(f'path {tuple(path)} has {len(path)} entries for {self.divided.plan.num_stages} stages')
        self._path = tuple(bool(by_student) for by_student in path)

    def init_weights(self) -> None:
        """Reads the teacher from its file and starts the student from it.

        MMEngine calls this on resume too: the teacher comes back from its own file, and the
        checkpoint's student then takes the place of the copied one.

        Raises:
            FileNotFoundError: If the teacher's file is gone.
            ValueError: If it is damaged, not trusted, or does not fit the model.
        """
        state = read_state_dict(self.teacher_file, self.trust_teacher)
        self.unused_teacher_keys = load_teacher(self.teacher, state, self.teacher_file)
        state = self.teacher.state_dict()
        names = plain_names(self.student, teacher=True)
        self.student.load_state_dict({key: state[name] for key, name in names.items()})
        self.divided.copy_layers(self.teacher_blocks)
        self._is_init = True

    def forward(self, inputs: Any, data_samples: list | None = None, mode: str = 'tensor') -> Any:
        """``loss`` is the training step; every other mode is the pure student's."""
        if mode == 'loss':
            return self.loss(inputs, data_samples)
        return self.student(inputs, data_samples, mode=mode)

    def loss(self, inputs: Any, data_samples: list | None = None) -> dict[str, Tensor]:
        """One training step: the teacher once without gradient, the student once along the path.

        Args:
            inputs: A batch, as the model takes it.
            data_samples: Its annotations.

        Returns:
            The model's own losses, ``loss_mimic``, ``loss_guidance`` and the parts of the latter.

        Raises:
            RuntimeError: If the teacher was not read or no path was set.
            FloatingPointError: If a loss is NaN or infinite.
        """
        if self.unused_teacher_keys is None:
            raise RuntimeError('the teacher has no weights yet: call init_weights() before training')
        if self._path is None:
            raise RuntimeError("no path for this step: add dict(type='ct_mm.ReplacementRateHook') to custom_hooks, "
                               'or set the path yourself')
        if self._summary_due:
            self._summary_due = False
            print_log(division_summary(self, inputs, data_samples), 'current')
        teacher_ends = [self.teacher_blocks[end] for end in self.divided.plan.ends]
        with torch.no_grad(), tap_outputs([*teacher_ends, *self._prediction_modules(self.teacher)]) as targets:
            self.teacher(inputs, data_samples, mode='tensor')
        self.divided.path = self._path
        try:
            with tap_outputs([*self.divided.stage_ends, *self._prediction_modules(self.student)]) as outputs:
                losses = dict(self.student(inputs, data_samples, mode='loss'))
        finally:
            self.divided.path = None
        losses.update(self._distillation_losses(outputs, targets))
        check_losses(losses, data_samples, path=self._path)
        return losses

    def _distillation_losses(self, outputs: list, targets: list) -> dict[str, Tensor]:
        losses = {}
        stages = self.divided.plan.num_stages
        if self.mimic is not None:
            tokens, target_tokens = (
                [first_tensor(output, f'stage {i}') for i, output in enumerate(side[:stages])]  # each (B, T, C)
                for side in (outputs, targets))
            losses['loss_mimic'] = self.mimic(tokens, target_tokens, getattr(self.divided, 'token_groups', None))
        if self.guidance is not None:
            losses.update(self.guidance(outputs[stages], targets[stages]))
        return losses

    def _prediction_modules(self, model: nn.Module) -> list[nn.Module]:
        return [] if self.guidance is None else [model.get_submodule(self.predictions)]

    def _build_guidance(self, guidance: dict) -> nn.Module:
        try:
            module = self.student.get_submodule(self.predictions)
        except AttributeError as error:
            raise ValueError(f'predictions={self.predictions!r}: {type(self.student).__name__} has no such module; '
                             f'name the one whose output holds the predictions, or set guidance=None') from error
        if guidance.get('losses') is None and hasattr(module, 'guidance_losses'):
            guidance = dict(guidance, losses=module.guidance_losses())
        return MODELS.build(guidance)

    def _apply(self, fn: Any, recurse: bool = True) -> nn.Module:
        self.teacher._apply(fn, recurse)  # no submodule, so device and precision must be carried over to it
        return super()._apply(fn, recurse)

    def __getattr__(self, name: str) -> Any:
        try:
            return super().__getattr__(name)
        except AttributeError:
            if name.startswith('__') or 'student' not in self.__dict__.get('_modules', {}):
                raise
            return getattr(self.student, name)


def load_teacher(model: nn.Module, state: dict[str, Tensor], file: str) -> list[str]:
    """Loads a teacher completely or not at all.

    Args:
        model: The teacher.
        state: Weights by name.
        file: Their file, for the error.

    Returns:
        Names in the file that the model has no place for.

    Raises:
        ValueError: If a weight is missing or has another shape.
    """
    own = model.state_dict()
    missing = [name for name in own if name not in state]
    misfits = [
        f'{name}: {tuple(state[name].shape)} in the file, {tuple(value.shape)} in the model'
        for name, value in own.items() if name in state and state[name].shape != value.shape
    ]
    unused = [name for name in state if name not in own]
    if missing or misfits:
        lines = [f'teacher {file} does not fit the model: of {len(own)} entries {len(missing)} are missing '
                 f'and {len(misfits)} have another shape; {len(unused)} of the file were not asked for. '
                 f'compress.teacher must be a checkpoint of the very model that is compressed.']
        lines += [f'  another shape: {line}' for line in misfits[:5]]
        lines += [f'  missing: {name}' for name in missing[:5]]
        lines += [f'  not asked for: {name}' for name in unused[:5]]
        raise ValueError('\n'.join(lines))
    model.load_state_dict({name: state[name] for name in own})
    return unused
