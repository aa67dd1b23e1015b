"""One training step of CompressTracker around any model of MMEngine.

References:
    CompressTracker, arXiv 2409.17564, section 3.
"""
from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from mmengine.logging import print_log
from mmengine.model import BaseModel
from torch import Tensor, nn

from ct_mm.engine.checkpoints.reading import read_state_dict
from ct_mm.engine.finite import check_losses
from ct_mm.registry import MODELS

from .block_runner import BlockRunner
from .divide_model import divide_model
from .divided_stack import DividedStack
from .division import Division
from .guidance import build_guidance, path_list, read_predictions
from .load_teacher import load_teacher
from .model_config import build_model
from .slot import Borrowed
from .stage_tokens import compare_stages
from .student import copy_shared
from .summary import division_summary
from .tap import tap_outputs

#: What the paper does: 0.2 times the mimic loss, and the tracker's own box losses against the teacher's boxes.
MIMIC = dict(type='ct_mm.FeatureMimicLoss', loss_weight=0.2)
GUIDANCE = dict(type='ct_mm.PredictionGuidanceLoss')


@MODELS.register_module()
class ReplacementDistiller(BaseModel):
    """A student whose stages are run by its own layers or by the frozen teacher's.

    ``loss`` is the model's own losses along the step's path plus ``loss_mimic`` and ``loss_guidance``; ``predict`` and
    ``tensor`` are the pure student's. Attributes that the distiller lacks are the student's. The teacher is borrowed,
    not owned: always in eval mode, never in the state dict, the parameters or a weight average, and read again from
    its own file whenever a run starts or resumes.

    Args:
        model: Config of the model to compress; teacher and student are both built from it.
        teacher: Checkpoint of the trained model.
        num_stages, stage_sizes, copy, pass_through, layers_per_stage: The division, see
            :class:`~ct_mm.compression.StageDividedBackbone`; a list has one value for each stack.
        layers: Names of the stacks of blocks, such as ``'backbone.blocks'``; ``None`` searches.
        student: What the config says differently for the student's layers, merged into that of the stack's owner.
        mimic: Config of the loss between stage tokens; ``None`` switches it off.
        guidance: Config of the loss between predictions; ``None`` switches it off.
        predictions: Dotted path of the module whose output are the predictions, or a list of paths.
        trust_teacher: Unpickle a teacher file that holds more than tensors.
        step: How the blocks are run, arguments of :class:`~ct_mm.compression.block_runner.BlockRunner`: speed and
            memory, not the result.
        data_preprocessor: The model's, if its config has none; MMEngine hands in what stands at the top of a config.
        init_cfg: Not used: teacher and student both start from the teacher's checkpoint.

    Raises:
        ValueError: If the model has no stack of blocks or several, the plan does not fit it, or the
            guidance names predictions for which the model has no loss.
    """

    #: Keys of its config that may differ when a run resumes: the teacher's file may have moved.
    free_keys = ('teacher', 'trust_teacher')
    #: What the path means, for messages.
    path_meaning = 'True: the student runs the stage'

    def __init__(
        self,
        model: dict,
        teacher: str,
        num_stages: int | None = None,
        stage_sizes: Sequence[int] | None = None,
        copy: str = 'last',
        layers: str | Sequence[str] | None = None,
        pass_through: Any = None,
        layers_per_stage: int | Sequence[Any] = 1,
        student: dict | Sequence[dict | None] | None = None,
        mimic: dict | None = MIMIC,
        guidance: dict | None = GUIDANCE,
        predictions: str | Sequence[str] = 'head',
        trust_teacher: bool = False,
        step: dict | None = None,
        data_preprocessor: dict | None = None,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(init_cfg=init_cfg)
        if data_preprocessor:
            model = dict(model, data_preprocessor=model.get('data_preprocessor') or data_preprocessor)
        self.teacher_file, self.trust_teacher = teacher, trust_teacher
        teacher_model = build_model(model).eval().requires_grad_(False)
        self._teacher = Borrowed(teacher_model)
        self.student = build_model(model)
        #: The divided modules of the student by their path, most often just its backbone.
        self.divisions = divide_model(
            self.student,
            model,
            layers,
            student,
            num_stages=num_stages,
            stage_sizes=stage_sizes,
            copy=copy,
            pass_through=pass_through,
            layers_per_stage=layers_per_stage)
        self.divisions.borrow(teacher_model)
        self.data_preprocessor = self.student.data_preprocessor
        self.mimic = None if mimic is None else MODELS.build(mimic)
        self.predictions = predictions
        self.guidance = None if guidance is None else build_guidance(self.student, guidance, predictions)
        self.block_runner = BlockRunner(**(step or {}))
        self.block_runner.prepare(self.teacher_blocks, self.student_layers)
        self._path: tuple[bool, ...] | None = None
        self.unused_teacher_keys: list[str] | None = None  # None until the teacher is read
        self._summary_due = True

    @property
    def teacher(self) -> nn.Module:
        """The complete, frozen teacher."""
        return self._teacher.module

    @property
    def divided(self) -> Division:
        """The division of the student's only divided module; a ValueError if there are several."""
        return self.divisions.only

    @property
    def stacks(self) -> dict[str, DividedStack]:
        """All divided stacks by their name in the model, in the path's order."""
        return self.divisions.stacks

    @property
    def num_stages(self) -> int:
        """Length of the path: the stages of all stacks."""
        return self.divisions.num_stages

    @property
    def student_layers(self) -> list[nn.Module]:
        """The student's layers of all stacks."""
        return self.divisions.student_layers

    @property
    def teacher_blocks(self) -> list[nn.Module]:
        """The teacher's blocks of all stacks."""
        return self.divisions.blocks_of(self.teacher)

    @property
    def path(self) -> tuple[bool, ...] | None:
        """Which model runs each stage in the next ``loss``, True for the student; the rate hook sets it."""
        return self._path

    @path.setter
    def path(self, path: Sequence[bool]) -> None:
        if len(path) != self.num_stages:
            raise ValueError(f'path {tuple(path)} has {len(path)} entries for {self.num_stages} stages')
        self._path = tuple(bool(by_student) for by_student in path)

    def init_weights(self) -> None:
        """Reads the teacher from its file and starts the student from it.

        MMEngine calls this on resume too: the teacher comes back from its own file, and the
        checkpoint's student then takes the place of the copied one.

        Raises:
            FileNotFoundError: If the teacher's file is gone.
            ValueError: If it is damaged, not trusted, or does not fit the model.
        """
        state = read_state_dict(self.teacher_file, self.trust_teacher, advice='set compress.trust_teacher=True')
        self.unused_teacher_keys = load_teacher(self.teacher, state, self.teacher_file)
        copy_shared(self.student, self.teacher)
        self.divisions.copy_layers(self.teacher)
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
        self.block_runner.settle_teacher(self.teacher, self.teacher_blocks)
        with self.block_runner.running([*self.teacher_blocks, *self.student_layers]):
            targets = self._targets(inputs, data_samples) if self.mimic or self.guidance else []
            losses, outputs = self._along_the_path(inputs, data_samples)
        losses.update(self._distillation_losses(outputs, targets))
        check_losses(losses, data_samples, path=self._path)
        return losses

    @torch.no_grad()
    def _targets(self, inputs: Any, data_samples: list | None) -> list:
        """What the teacher puts out at its stage ends and predictions."""
        ends, precision = self.divisions.ends_of(self.teacher), self.block_runner.target_precision(self.teacher)
        with precision, tap_outputs([*ends, *self._predictions_of(self.teacher)]) as targets:
            self.teacher(inputs, data_samples, mode='tensor')
        return targets

    def _along_the_path(self, inputs: Any, data_samples: list | None) -> tuple[dict[str, Tensor], list]:
        """The model's own losses, and what the student puts out at the same places."""
        ends = self.divisions.stage_ends
        try:
            self.divisions.set_path(self._path)
            with tap_outputs([*ends, *self._predictions_of(self.student)]) as outputs:
                return dict(self.student(inputs, data_samples, mode='loss')), outputs
        finally:
            self.divisions.set_path(None)

    def _distillation_losses(self, outputs: list, targets: list) -> dict[str, Tensor]:
        losses = {}
        owners = self.divisions.owners
        if self.mimic is not None:
            losses['loss_mimic'] = compare_stages(self.mimic, owners, outputs, targets)
        if self.guidance is not None:
            losses.update(self.guidance(read_predictions(self.predictions, outputs[len(owners):], 'loss'),
                                        read_predictions(self.predictions, targets[len(owners):], 'tensor')))
        return losses

    def _predictions_of(self, model: nn.Module) -> list[nn.Module]:
        return [] if self.guidance is None else [model.get_submodule(path) for path in path_list(self.predictions)]

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
