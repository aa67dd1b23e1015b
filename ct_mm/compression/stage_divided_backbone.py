"""A backbone whose stacks of blocks are divided into stages that student or teacher may run.

References:
    CompressTracker, arXiv 2409.17564, sections 3.2 and 3.3.
"""
from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mmengine.model import BaseModule
from torch import nn

from ct_mm.registry import MODELS

from .divided_stack import DividedStack
from .layer_stack import find_layer_stacks
from .model_config import merge_configs
from .pass_through import Argument
from .per_stack import PerStack
from .plan_stacks import plan_stacks
from .slot import Slot
from .stage_plan import StagePlan


@MODELS.register_module()
class StageDividedBackbone(BaseModule):
    """Puts slots in place of a backbone's blocks and leaves everything else of it alone.

    The backbone's own ``forward`` (its loop, its ``out_indices``, its position embedding) runs untouched, see
    :class:`~ct_mm.compression.divided_stack.DividedStack`. A backbone may have several stacks, such as encoder and
    decoder or the widths of a hierarchy: the path goes through all their stages, in the order of ``layers``. Attributes
    that the wrapper lacks are the backbone's.

    Where a setting takes one value for each stack, it is a list with one for each; one value alone holds for all.

    Args:
        backbone: Config of a backbone (or of any model), or the module itself, whose blocks become the student's
            layers.
        layers: Names of its stacks, see :func:`~ct_mm.compression.layer_stack.find_layer_stacks`; ``None`` searches.
        num_stages: Stages K of an even division, for each stack. Give this or ``stage_sizes`` or ``plan``.
        stage_sizes: Teacher layers of each stage, for each stack.
        plan: A ready plan, for each stack.
        copy: Where a student layer starts from in its stage, for each stack: ``last``, ``first`` or ``mean``.
        pass_through: What a skipped block returns, for each stack, where it cannot be found out, see
            :class:`~ct_mm.compression.pass_through.PassThrough`.
        layers_per_stage: Student layers of a stage: one number for all; or, for one stack, a list with one for each
            stage; or, for several stacks, a list with one of these for each.
        student: What of the backbone's config is different for the student's layers, such as ``dict(mlp_ratio=2.0)``,
            for each stack; or a module with blocks of that kind.
        folded: See :class:`~ct_mm.compression.divided_stack.DividedStack`.
        data_preprocessor: Of a whole model whose config has none; MMEngine hands in what stands at the top of a config.
        init_cfg: MMEngine's initialisation config.

    Raises:
        ValueError: If there is no such stack or the plan does not fit it.
    """

    def __init__(
        self,
        backbone: dict | nn.Module,
        layers: str | Sequence[str] | None = None,
        num_stages: int | Sequence[int] | None = None,
        stage_sizes: Sequence[int] | Sequence[Sequence[int]] | None = None,
        plan: StagePlan | Sequence[StagePlan] | None = None,
        copy: str | Sequence[str] = 'last',
        pass_through: Argument | Sequence[Any] | None = None,
        layers_per_stage: int | Sequence[Any] = 1,
        student: dict | nn.Module | Sequence[dict | nn.Module | None] | None = None,
        folded: bool = False,
        data_preprocessor: dict | None = None,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(init_cfg)
        if data_preprocessor and isinstance(backbone, dict):
            backbone = dict(backbone, data_preprocessor=backbone.get('data_preprocessor') or data_preprocessor)
        self.backbone = backbone if isinstance(backbone, nn.Module) else MODELS.build(backbone)
        stacks = find_layer_stacks(self.backbone, layers)
        count = len(stacks)
        plans = plan_stacks(stacks, num_stages, stage_sizes, plan, copy, layers_per_stage)
        rules = PerStack.of('pass_through', pass_through, count, depth=1)
        shapes = _student_shapes(PerStack.of('student', student, count), backbone)
        #: The divided stacks, in the path's order.
        self.stacks = [
            DividedStack(self.backbone, stack, one_plan, rule, None if shape is None else stack.of(shape), folded)
            for stack, one_plan, rule, shape in zip(stacks, plans, rules, shapes)
        ]
        self._path: tuple[bool, ...] | None = None

    @property
    def plan(self) -> StagePlan:
        """The plan of the only stack.

        Raises:
            ValueError: If there are several.
        """
        if len(self.stacks) > 1:
            raise ValueError(f'{len(self.stacks)} stacks have a plan each: read stacks[i].plan')
        return self.stacks[0].plan

    @property
    def num_stages(self) -> int:
        """Stages of all stacks."""
        return sum(stack.plan.num_stages for stack in self.stacks)

    @property
    def slots(self) -> list[Slot]:
        """The slots of all stacks, in order."""
        return [slot for stack in self.stacks for slot in stack.slots]

    @property
    def stage_ends(self) -> list[Slot]:
        """The last slot of each stage: its output is the stage's tokens."""
        return [slot for stack in self.stacks for slot in stack.stage_ends]

    def blocks_of(self, whole: nn.Module) -> list[nn.Module]:
        """The N blocks of all stacks in an undivided backbone of this architecture."""
        return [block for stack in self.stacks for block in stack.blocks_of(whole)]

    def ends_of(self, whole: nn.Module) -> list[nn.Module]:
        """The last block of each stage there."""
        return [stack.blocks_of(whole)[end] for stack in self.stacks for end in stack.plan.ends]

    @property
    def student_layers(self) -> list[nn.Module]:
        """The layers of the student."""
        return [layer for stack in self.stacks for layer in stack.student_layers]

    @property
    def path(self) -> tuple[bool, ...] | None:
        """Which model runs each stage in the next forward, True for the student; ``None`` is the pure student."""
        return self._path

    @path.setter
    def path(self, path: Sequence[bool] | None) -> None:
        if path is not None and len(path) != self.num_stages:
            raise ValueError(f'path {tuple(path)} has {len(path)} entries for {self.num_stages} stages')
        self._path = None if path is None else tuple(bool(step) for step in path)
        rest = self._path
        for stack in self.stacks:
            stack.set_path(None if rest is None else rest[:stack.plan.num_stages])
            rest = None if rest is None else rest[stack.plan.num_stages:]

    def borrow(self, teacher_blocks: Sequence[nn.Module]) -> None:
        """Lets the teacher's blocks run the stages that a path gives to the teacher.

        Args:
            teacher_blocks: The teacher's blocks of all stacks. They stay the teacher's: they are in no state dict
                or parameter list of this module.
        """
        for stack, blocks in self._by_stack(teacher_blocks):
            stack.borrow(blocks)

    def copy_layers(self, teacher_blocks: Sequence[nn.Module]) -> None:
        """Starts each student layer from the teacher layers that its plan names.

        Args:
            teacher_blocks: The teacher's blocks of all stacks.
        """
        for stack, blocks in self._by_stack(teacher_blocks):
            stack.copy_layers(blocks)

    def fold(self) -> None:
        """Folds the linear maps between stages of another width; from then on only the student can run."""
        for stack in self.stacks:
            if stack.has_adapters:
                stack.fold()

    def settings(self) -> dict[str, Any]:
        """The division as arguments of this class, what a skipped block hands on included as far as it is known."""
        stacks = self.stacks
        settings: dict[str, Any] = dict(
            layers=[stack.path for stack in stacks],
            stage_sizes=[[len(stage) for stage in stack.plan.stages] for stack in stacks])
        if any(stack.plan.copy != 'last' for stack in stacks):
            settings['copy'] = [stack.plan.copy for stack in stacks]
        if any(count != 1 for stack in stacks for count in stack.plan.layers_per_stage):
            settings['layers_per_stage'] = [list(stack.plan.layers_per_stage) for stack in stacks]
        returns = [stack.rule.returns for stack in stacks]
        if len(stacks) == 1:
            settings = {key: value[0] for key, value in settings.items()}
            settings.update({} if returns[0] is None else dict(pass_through=returns[0]))
        elif any(isinstance(entry, tuple) for entry in returns):  # a list of single arguments would be one tuple's
            settings['pass_through'] = returns
        if any(stack.folded for stack in stacks):
            settings['folded'] = True
        return settings

    def plain_key(self, key: str, teacher: bool = False) -> str:
        """The name that an entry of this module's state dict has in a plain backbone.

        Args:
            key: Name in ``self.state_dict()``, or of a module.
            teacher: Number the layers as the teacher does, by the end of their part; else as the plain student.

        Returns:
            Name in the plain backbone's state dict.
        """
        key = key[len('backbone.'):]
        for container in sorted({stack.container for stack in self.stacks}, key=len, reverse=True):
            if key.startswith(f'{container}.'):
                name, _, rest = key[len(container) + 1:].partition('.')
                names, divided = self._plain_names(container)
                if name in divided:
                    rest = rest.removeprefix('layer.')
                key = f'{container}.{name if teacher else names[name]}{"." if rest else ""}{rest}'
        return key

    def _plain_names(self, container: str) -> tuple[dict[str, str], set[str]]:
        """For each entry of a list that the plain student keeps its name there; and which entries are slots."""
        names = list(self.backbone.get_submodule(container)._modules)
        slots, gone = set(), set()
        for stack in self.stacks:
            if stack.container == container:
                slots.update(names[stack.start + index] for index in range(stack.plan.num_layers))
                gone.update(names[stack.start + index] for index in range(stack.plan.num_layers)
                            if index not in stack.plan.student_places)
        return dict(zip([name for name in names if name not in gone], names)), slots

    def _by_stack(self, blocks: Sequence[nn.Module]) -> list[tuple[DividedStack, Sequence[nn.Module]]]:
        ends = [0]
        for stack in self.stacks:
            ends.append(ends[-1] + stack.plan.num_layers)
        return [(stack, list(blocks)[a:b]) for stack, a, b in zip(self.stacks, ends, ends[1:])]

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """The backbone's own forward, along the path."""
        return self.backbone(*args, **kwargs)

    def __getattr__(self, name: str) -> Any:
        try:
            return super().__getattr__(name)
        except AttributeError:
            if name.startswith('__') or 'backbone' not in self.__dict__.get('_modules', {}):
                raise
            return getattr(self.backbone, name)


def _student_shapes(shapes: Sequence[dict | nn.Module | None], backbone: dict | nn.Module) -> list[nn.Module | None]:
    built: dict[int, nn.Module] = {}
    for shape in shapes:
        if isinstance(shape, dict) and isinstance(backbone, nn.Module):
            raise ValueError(f'student={shape!r} changes a config, but the backbone is a module: give a module here '
                             f'too, with blocks of the shape that the student is to have')
        if isinstance(shape, dict) and id(shape) not in built:
            built[id(shape)] = MODELS.build(merge_configs(backbone, shape))
    return [built.get(id(shape), shape) for shape in shapes]
