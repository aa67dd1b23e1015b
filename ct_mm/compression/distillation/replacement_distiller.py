"""One training step of CompressTracker around any model of MMEngine.

References:
    CompressTracker, arXiv 2409.17564, section 3.
"""
from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from mmengine.model import BaseModel
from torch import Tensor, nn

from ct_mm.engine.checkpoints.misfit import find_misfit
from ct_mm.engine.checkpoints.reading import read_state_dict
from ct_mm.engine.finite import check_losses
from ct_mm.registry import MODELS

from ..config_tree import build_model
from ..division.divided_model import DividedModel
from ..division.slot import Borrowed
from ..division.spec import DivisionSpec
from ..division.tensor_names import copy_shared
from .block_runner import BlockRunner
from .distillation_losses import DistillationLosses
from .predictions import build_guidance, find_predictions, match_calls, read_predictions
from .step_outputs import StepOutputs, read_stages
from .taps import tap_outputs

#: The paper's losses: 0.2 times the mimic, and the tracker's own box losses against the teacher's boxes.
MIMIC = dict(type='ct_mm.FeatureMimicLoss', loss_weight=0.2)
GUIDANCE = dict(type='ct_mm.PredictionGuidanceLoss')


@MODELS.register_module()
class ReplacementDistiller(BaseModel):
    """A student whose stages are run by its own layers or by the frozen teacher's.

    ``loss`` is the model's own losses along the step's path plus those between student and teacher; ``predict`` and
    ``tensor`` are the pure student's. Attributes that the distiller lacks are the student's. The teacher is borrowed,
    not owned: it is always in eval mode, never in the state dict, the parameters or a weight average, and is read again
    from its own file whenever a run starts or resumes.

    Args:
        model: Config of the model to compress; teacher and student are both built from it.
        teacher: Checkpoint of the trained model.
        mimic: Config of the loss between stage tokens; ``None`` switches it off.
        guidance: Config of the loss between predictions; ``None`` switches it off.
        losses: Configs of further losses by name, see
            :class:`~ct_mm.compression.distillation.distillation_losses.DistillationLosses`; ``mimic`` and ``guidance``
            here replace the two above.
        predictions: Dotted path of the module whose output holds the predictions, or a list of paths.
        trust_teacher: Unpickle a teacher file that holds more than tensors.
        step: How the blocks are run, arguments of :class:`~ct_mm.compression.distillation.block_runner.BlockRunner`:
            speed and memory, not the result.
        data_preprocessor: The model's, if its config has none; MMEngine passes what stands at the top of a config.
        init_cfg: Not used: teacher and student both start from the teacher's checkpoint.
        **division: The settings of :class:`~ct_mm.compression.division.spec.DivisionSpec`: ``num_stages``,
            ``stage_sizes``, ``copy``, ``layers``, ``pass_through``, ``layers_per_stage``, ``student``.

    Attributes:
        student (nn.Module): The divided model.
        divided (DividedModel): Its stages.
        losses (DistillationLosses): The losses between student and teacher.

    Raises:
        ValueError: If the model has no stack of blocks or several, the plan does not fit it, or the guidance names
            predictions for which the model has no loss; if the student would be the teacher.
    """

    #: Keys of its config that may differ when a run resumes: where to find the teacher does not change the training.
    free_keys = ('teacher', 'trust_teacher')
    #: What the path means, for messages.
    path_meaning = 'True: the student runs the stage'

    def __init__(self, model: dict, teacher: str, mimic: dict | None = MIMIC, guidance: dict | None = GUIDANCE,
                 losses: Mapping[str, dict | None] | None = None, predictions: str | Sequence[str] = 'head',
                 trust_teacher: bool = False, step: dict | None = None, data_preprocessor: dict | None = None,
                 init_cfg: dict | None = None, **division: Any) -> None:
        super().__init__(init_cfg=init_cfg)
        if data_preprocessor:
            model = dict(model, data_preprocessor=model.get('data_preprocessor') or data_preprocessor)
        self.teacher_file, self.trust_teacher = teacher, trust_teacher
        teacher_model = build_model(model).eval().requires_grad_(False)
        self._teacher = Borrowed(teacher_model)
        self.student = build_model(model)
        self.divided = DividedModel(self.student, DivisionSpec(**division), model)
        if not any(stack.change or stack.plan.num_student_layers < stack.plan.num_layers
                   for stack in self.divided.stacks):
            raise ValueError('num_stages, stage_sizes and layers_per_stage leave all layers of the teacher: nothing is '
                             'compressed. Choose fewer, or change the layers with compress.student')
        self.divided.borrow(teacher_model)
        self.data_preprocessor = self.student.data_preprocessor
        self.predictions = predictions
        configs = {'mimic': mimic, 'guidance': guidance, **(losses or {})}
        self.losses = DistillationLosses({
            name: build_guidance(self.student, loss, predictions) if name == 'guidance' else MODELS.build(loss)
            for name, loss in configs.items() if loss is not None})
        self.block_runner = BlockRunner(**(step or {}))
        self.block_runner.prepare(self.teacher_blocks, self.divided.student_layers)
        self._path: tuple[bool, ...] | None = None
        self.unused_teacher_keys: list[str] | None = None  # None until the teacher is read

    @property
    def teacher(self) -> nn.Module:
        """The complete, frozen teacher."""
        return self._teacher.module

    @property
    def teacher_blocks(self) -> list[nn.Module]:
        """The teacher's blocks of all stacks."""
        return self.divided.blocks_of(self.teacher)

    @property
    def path(self) -> tuple[bool, ...] | None:
        """Which model runs each stage in the next ``loss``, ``True`` for the student; the rate hook sets it."""
        return self._path

    @path.setter
    def path(self, path: Sequence[bool]) -> None:
        self._path = self.divided.checked(path)

    def init_weights(self) -> None:
        """Reads the teacher from its file and starts the student from it.

        MMEngine calls this on resume too: the teacher comes back from its own file, and the checkpoint's student then
        takes the place of the copied one.

        Raises:
            FileNotFoundError: If the teacher's file is gone.
            ValueError: If it is damaged, not trusted, or does not fit the model.
        """
        try:
            state = read_state_dict(self.teacher_file, self.trust_teacher, advice='set compress.trust_teacher=True')
        except FileNotFoundError as error:
            raise FileNotFoundError(f'compress.teacher: {error}') from error
        own = self.teacher.state_dict()
        misfit = find_misfit(own, state)
        if misfit.missing or misfit.reshaped:
            raise ValueError(f'teacher {self.teacher_file} does not fit the model: {misfit}\n'
                             f'compress.teacher must be a checkpoint of the same model that is compressed')
        self.unused_teacher_keys = misfit.surplus
        # not strict: what a model leaves out of its own state dict, it misses there
        self.teacher.load_state_dict({name: state[name] for name in own}, strict=False)
        copy_shared(self.student, self.teacher)
        self.divided.copy_layers(self.teacher)
        self._is_init = True

    def forward(self, *inputs: Any, mode: str = 'tensor', **named: Any) -> Any:
        """``loss`` is the training step; every other mode is the pure student's."""
        return self.loss(*inputs, **named) if mode == 'loss' else self.student(*inputs, **named, mode=mode)

    def loss(self, *inputs: Any, **named: Any) -> dict[str, Tensor]:
        """One training step: the teacher once without gradient, the student once along the path.

        Args:
            *inputs: A batch, as the model takes it: ``inputs`` and ``data_samples``, or what its ``forward`` names.
            **named: The same by name.

        Returns:
            The model's own losses and those between student and teacher.

        Raises:
            RuntimeError: If the teacher was not read or no path was set.
            FloatingPointError: If a loss is NaN or infinite.
        """
        if self.unused_teacher_keys is None:
            raise RuntimeError('the teacher has no weights yet: call init_weights() before training')
        if self._path is None:
            raise RuntimeError("no path for this step: add dict(type='ct_mm.ReplacementRateHook') to custom_hooks, "
                               'or set the path yourself')
        data_samples = named['data_samples'] if 'data_samples' in named else inputs[1] if len(inputs) > 1 else None
        self.block_runner.settle_teacher(self.teacher, self.teacher_blocks)
        with self.block_runner.running([*self.teacher_blocks, *self.divided.student_layers]):
            if self.losses:
                with self._tapped(self.teacher, self.divided.ends_of(self.teacher)) as targets, torch.no_grad(), \
                        self.block_runner.target_precision(self.teacher):
                    self.teacher(*inputs, **named, mode='tensor')
            with self._tapped(self.student, self.divided.stage_ends) as outputs, self._along_the_path():
                losses = dict(self.student(*inputs, **named, mode='loss'))
        if self.losses:
            losses.update(self.losses(*self._read(outputs, targets), data_samples, self._path))
        check_losses(losses, data_samples, path=self._path)
        return losses

    @contextmanager
    def _along_the_path(self) -> Iterator[None]:
        """Runs the student along the step's path; afterwards it is the pure student again."""
        try:
            self.divided.path = self._path
            yield
        finally:
            self.divided.path = None

    @contextmanager
    def _tapped(self, model: nn.Module, ends: Sequence[nn.Module]) -> Iterator[tuple[list, list]]:
        """Collects what a model puts out at its stage ends and as predictions, as far as a loss reads it."""
        with ExitStack() as taps:
            stages = taps.enter_context(tap_outputs(ends if self.losses.need_stages else []))
            heads = taps.enter_context(tap_outputs(self._prediction_modules(model)))
            yield stages, heads

    def _prediction_modules(self, model: nn.Module) -> list[nn.Module]:
        try:
            return find_predictions(model, self.predictions) if self.losses else []
        except ValueError:
            if self.losses.need_predictions:
                raise
            return []

    def _read(self, outputs: tuple[list, list], targets: tuple[list, list]) -> tuple[StepOutputs, StepOutputs]:
        """What the losses compare: the student's and the teacher's side."""
        heads = match_calls(outputs[1], targets[1])
        return tuple(
            StepOutputs(read_stages(self.divided.owners, side[0]),
                        read_predictions(self.predictions, calls, mode) if calls else None)
            for side, calls, mode in zip((outputs, targets), heads, ('loss', 'tensor')))

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
