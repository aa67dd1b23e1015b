"""One training step of CompressTracker around any model of MMEngine.

References:
    CompressTracker, arXiv 2409.17564, section 3.
"""
from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from mmengine.model import BaseModel, is_model_wrapper
from mmengine.runner import Runner
from torch import Tensor, nn

from ct_mm.engine.checkpoints.digest import digest_of_weights
from ct_mm.engine.checkpoints.misfit import find_misfit, fit_names
from ct_mm.engine.checkpoints.reading import bytes_of_model, read_state_dict
from ct_mm.engine.finite import check_losses
from ct_mm.registry import MODELS

from ..config_tree import build_model
from ..division.divided_model import DividedModel
from ..division.slot import Borrowed
from ..division.spec import DivisionSpec
from ..division.tensor_names import copy_shared
from .block_runner import BlockRunner
from .distillation_losses import DistillationLosses, build_guidance
from .step_outputs import StepOutputs, find_predictions, match_calls, read_predictions, read_stages
from .taps import tap_outputs

#: The paper's losses: 0.2 times the mimic, and the tracker's own box losses against the teacher's boxes.
MIMIC = dict(type='ct_mm.FeatureMimicLoss', loss_weight=0.2)
GUIDANCE = dict(type='ct_mm.PredictionGuidanceLoss')


@MODELS.register_module()
class ReplacementDistiller(BaseModel):
    """A student whose stages are run by its own layers or by those of the frozen teacher.

    Mode ``loss`` returns the model's own losses along the step's path and those between student and teacher;
    ``predict`` and ``tensor`` run the pure student. An attribute that the distiller lacks is read from the student. The
    distiller does not own the teacher: it is always in eval mode, it is never in the state dict, the parameters or a
    weight average, and it is read from its own file whenever a run starts or resumes.

    Args:
        model: Config of the model to compress. Teacher and student are both built from it.
        teacher: Checkpoint of the trained model.
        mimic: Config of the loss between stage tokens; ``None`` disables it.
        guidance: Config of the loss between predictions; ``None`` disables it.
        losses: Configs of further losses by name, see
            :class:`~ct_mm.compression.distillation.distillation_losses.DistillationLosses`; ``mimic`` and ``guidance``
            here override the two above.
        predictions: Dotted path of the module whose output holds the predictions, or a list of paths.
        trust_teacher: Unpickle a teacher file that contains more than tensors.
        step: How the blocks are run, arguments of :class:`~ct_mm.compression.distillation.block_runner.BlockRunner`:
            speed and memory, not the result.
        data_preprocessor: Config for a model that has none; MMEngine passes the one at the top of a config.
        init_cfg: Not used, because teacher and student both start from the teacher's checkpoint.
        **division: The settings of :class:`~ct_mm.compression.division.spec.DivisionSpec`: ``num_stages``,
            ``stage_sizes``, ``copy``, ``layers``, ``pass_through``, ``layers_per_stage``, ``student``.

    Attributes:
        student (nn.Module): The divided model.
        divided (DividedModel): Its stages.
        losses (DistillationLosses): The losses between student and teacher.
        path (Sequence[bool]): Which model runs each stage in the next ``loss``, ``True`` for the student; the rate hook
            sets it.

    Raises:
        ValueError: If the model has no stack of blocks or several, the plan does not fit it, or the guidance names
            predictions for which the model has no loss, or the student would equal the teacher.

    Examples:
        >>> model = dict(
        ...     type='ct_mm.OSTrack', head=dict(type='ct_mm.CenterHead', in_channels=32, feat_size=4, channels=16),
        ...     backbone=dict(type='ct_mm.OneStreamViT', embed_dim=32, depth=6, num_heads=2, template_size=32,
        ...                   search_size=64))
        >>> distiller = ReplacementDistiller(model, 'epoch_300.pth', num_stages=3, layers='backbone.blocks')
        >>> distiller.path = (True, False, True)  # in training, ct_mm.ReplacementRateHook sets it
        >>> sorted(distiller.losses), len(distiller.divided.student_layers)
        (['guidance', 'mimic'], 3)
    """

    #: Keys of its config that may differ when a run resumes: the teacher's location does not change the training.
    free_keys = ('teacher', 'trust_teacher')
    #: The meaning of the path, for messages.
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
        self.divided.borrow(teacher_model)
        self.data_preprocessor = self.student.data_preprocessor
        self.predictions = predictions
        configs = dict(dict(mimic=mimic, guidance=guidance), **(losses or {}))
        self.losses = DistillationLosses({
            name: build_guidance(self.student, loss, predictions) if name == 'guidance' else MODELS.build(loss)
            for name, loss in configs.items() if loss is not None})
        self.block_runner = BlockRunner(**(step or {}))
        self.block_runner.prepare(self.teacher_blocks, self.divided.student_layers)
        self.path: Sequence[bool] | None = None
        self.unused_teacher_keys: list[str] | None = None  # None until the teacher is read

    @classmethod
    def of(cls, runner: Runner) -> ReplacementDistiller:
        """Returns the model of a runner, without the wrapper of distributed training.

        Args:
            runner: The runner of a compression.

        Raises:
            TypeError: If its model is not a distiller.
        """
        model = runner.model.module if is_model_wrapper(runner.model) else runner.model
        if not isinstance(model, cls):
            raise TypeError(f'this hook needs the model of a compression, but the model is a {type(model).__name__}; '
                            "inherit ct_mm::_base_/compress.py or set model.type to 'ct_mm.ReplacementDistiller'")
        return model

    @property
    def teacher(self) -> nn.Module:
        """The complete, frozen teacher."""
        return self._teacher.module

    @property
    def teacher_blocks(self) -> list[nn.Module]:
        """The teacher's blocks of all stacks."""
        return self.divided.blocks_of(self.teacher)

    @property
    def num_stages(self) -> int:
        """Length of the path: the stages of all stacks."""
        return self.divided.num_stages

    @property
    def mimic(self) -> nn.Module | None:
        """The loss between stage tokens; ``None`` if it is off."""
        return self.losses['mimic'] if 'mimic' in self.losses else None

    def init_weights(self) -> None:
        """Reads the teacher from its file and starts the student from it.

        MMEngine calls this on resume too: the teacher is read from its own file, and the checkpoint then replaces the
        copied student.

        Raises:
            FileNotFoundError: If the teacher's file does not exist.
            ValueError: If it is damaged, not trusted, or does not fit the model; or if the student would have all
                layers of the teacher.
        """
        if not any(stack.change or stack.plan.num_student_layers < stack.plan.num_layers
                   for stack in self.divided.stacks):
            raise ValueError('num_stages, stage_sizes and layers_per_stage leave all layers of the teacher: nothing is '
                             'compressed. Choose fewer, or change the layers with compress.student')
        try:
            state = read_state_dict(self.teacher_file, self.trust_teacher, advice='set compress.trust_teacher=True',
                                    model_bytes=bytes_of_model(self.teacher))
        except FileNotFoundError as error:
            raise FileNotFoundError(f'compress.teacher: {error}') from error
        own = self.teacher.state_dict()
        state = fit_names(own, state)
        misfit = find_misfit(own, state)
        if misfit.missing or misfit.reshaped:
            raise ValueError(f'teacher {self.teacher_file} does not fit the model: {misfit}\n'
                             f'compress.teacher must be a checkpoint of the model that is compressed')
        self.unused_teacher_keys = misfit.surplus
        # not strict, because a model may leave entries out of its own state dict
        state = {name: state[name] for name in own}
        self.teacher.load_state_dict(state, strict=False)
        self._teacher_digest = digest_of_weights(state)
        copy_shared(self.student, self.teacher)
        self.divided.copy_layers(self.teacher)
        self._is_init = True

    @contextmanager
    def as_plain_model(self) -> Iterator[nn.Module]:
        """Shows what is trained as the undivided model, whose parameters have the names that its users know.

        What is decided by a parameter's name or place (``custom_keys``, layer-wise decay, frozen layers) is then
        decided as for the model without compression. Parameters of losses are in ``distillation_losses``.

        Yields:
            The student, of the model's own class, without slots; valid for as long as the context lasts.
        """
        with ExitStack() as stack:
            for divided in self.divided.stacks:
                stack.enter_context(divided.undivided(self.student))
            if next(self.losses.parameters(), None) is not None:
                self.student.add_module('distillation_losses', self.losses)
                stack.callback(self.student._modules.pop, 'distillation_losses')
            yield self.student

    def resume_facts(self) -> dict[str, str]:
        """What must be the same when a training resumes, beside its config: the content of the teacher's weights."""
        return {'weights of the teacher': self._teacher_digest}

    def forward(self, *inputs: Any, mode: str = 'tensor', **named: Any) -> Any:
        """Runs the training step in mode ``loss``, and the pure student in every other mode."""
        return self.loss(*inputs, **named) if mode == 'loss' else self.student(*inputs, **named, mode=mode)

    def loss(self, *inputs: Any, **named: Any) -> dict[str, Tensor]:
        """Runs one training step: the teacher once without gradient, the student once along the path.

        Args:
            *inputs: A batch, as the model takes it: ``inputs`` and ``data_samples``, or the arguments of its
                ``forward``.
            **named: The same as keywords.

        Returns:
            The model's own losses and those between student and teacher.

        Raises:
            RuntimeError: If the teacher was not read or no path was set.
            FloatingPointError: If a loss is NaN or infinite.
        """
        if self.unused_teacher_keys is None:
            raise RuntimeError('the teacher has no weights yet: call init_weights() before training')
        if self.path is None:
            raise RuntimeError("no path for this step: add dict(type='ct_mm.ReplacementRateHook') to custom_hooks, "
                               'or set the path yourself')
        data_samples = named['data_samples'] if 'data_samples' in named else inputs[1] if len(inputs) > 1 else None
        self.block_runner.settle_teacher(self.teacher, self.teacher_blocks)
        with self.block_runner.running([*self.teacher_blocks, *self.divided.student_layers]):
            if self.losses:
                with self._tapped(self.teacher, self.divided.ends_of(self.teacher)) as targets, torch.no_grad(), \
                        self.block_runner.target_precision(self.teacher):
                    self.teacher(*inputs, **named, mode='tensor')
            with self._tapped(self.student, self.divided.stage_ends) as outputs, self.divided.along(self.path) as path:
                losses = dict(self.student(*inputs, **named, mode='loss'))
        if self.losses:
            losses.update(self.losses(*self._read(outputs, targets), data_samples, path))
        check_losses(losses, data_samples, path=path)
        return losses

    @contextmanager
    def _tapped(self, model: nn.Module, ends: Sequence[nn.Module]) -> Iterator[tuple[list, list]]:
        """Collects a model's outputs at its stage ends and its predictions, as far as a loss reads them."""
        heads: list[nn.Module] = []
        try:
            heads = find_predictions(model, self.predictions) if self.losses else []
        except ValueError:
            if 'guidance' in self.losses:  # every other loss can do without predictions
                raise
        with tap_outputs(ends if set(self.losses) - {'guidance'} else []) as stages, tap_outputs(heads) as predictions:
            yield stages, predictions

    def _read(self, outputs: tuple[list, list], targets: tuple[list, list]) -> tuple[StepOutputs, StepOutputs]:
        """Returns what the losses compare, of the student and of the teacher."""
        heads = match_calls(outputs[1], targets[1])
        return tuple(
            StepOutputs(read_stages(self.divided.owners, side[0]),
                        read_predictions(self.predictions, calls, mode) if calls else None)
            for side, calls, mode in zip((outputs, targets), heads, ('loss', 'tensor')))

    def _apply(self, fn: Any, recurse: bool = True) -> nn.Module:
        self.teacher._apply(fn, recurse)  # not a submodule, so it has to be moved and cast explicitly
        return super()._apply(fn, recurse)

    def __getattr__(self, name: str) -> Any:
        try:
            return super().__getattr__(name)
        except AttributeError:
            if name.startswith('__') or 'student' not in self.__dict__.get('_modules', {}):
                raise
            return getattr(self.student, name)
