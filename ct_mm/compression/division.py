"""The stacks of blocks that one module owns, divided."""
from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from torch import nn

from .divided_stack import DividedStack
from .layer_stack import find_layer_stacks
from .per_stack import PerStack
from .plan_stacks import plan_stacks
from .slot import Slot
from .stage_plan import StagePlan


class Division:
    """Divides the stacks of a module in place and chooses who runs their stages.

    The module keeps its class, its forward and the names of its parameters, but for ``layer`` in those of the blocks:
    see :class:`~ct_mm.compression.divided_stack.DividedStack`. The path goes through the stages of all stacks, in the
    order of ``layers``.

    Args:
        owner: The module; changed in place.
        layers: Names of its stacks, see :func:`~ct_mm.compression.layer_stack.find_layer_stacks`.
        num_stages: See :func:`~ct_mm.compression.plan_stacks.plan_stacks`, as the next four.
        stage_sizes: Teacher layers of each stage.
        plan: A ready plan.
        copy: Where a student layer starts from.
        layers_per_stage: Student layers of a stage.
        pass_through: What a skipped block returns, one for all stacks or a list, see
            :class:`~ct_mm.compression.pass_through.PassThrough`.
        student: A module like the owner whose blocks become the student's layers, one for all stacks or a list;
            ``None`` takes the owner's own.
        changes: What the config of ``student`` says differently, to be written down at export.
        folded: See :class:`~ct_mm.compression.divided_stack.DividedStack`.

    Raises:
        ValueError: If there is no such stack or the plan does not fit it.
    """

    def __init__(
        self,
        owner: nn.Module,
        layers: str | Sequence[str] | None = None,
        num_stages: Any = None,
        stage_sizes: Any = None,
        plan: Any = None,
        copy: Any = 'last',
        layers_per_stage: Any = 1,
        pass_through: Any = None,
        student: nn.Module | Sequence[nn.Module | None] | None = None,
        changes: Sequence[Mapping | None] | None = None,
        folded: bool = False,
    ) -> None:
        stacks = find_layer_stacks(owner, layers)
        plans = plan_stacks(stacks, num_stages, stage_sizes, plan, copy, layers_per_stage)
        rules = PerStack.of('pass_through', pass_through, len(stacks), depth=1)
        shapes = PerStack.of('student', student, len(stacks))
        self.owner = owner
        #: The divided stacks, in the path's order.
        self.stacks = [
            DividedStack(owner, stack, one_plan, rule, None if shape is None else stack.of(shape), folded)
            for stack, one_plan, rule, shape in zip(stacks, plans, rules, shapes)
        ]
        self.changes = list(changes or [None] * len(stacks))
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

    def blocks_of(self, whole: nn.Module) -> list[nn.Module]:
        """The N blocks of all stacks in an undivided module of this architecture."""
        return [block for stack in self.stacks for block in stack.blocks_of(whole)]

    def ends_of(self, whole: nn.Module) -> list[nn.Module]:
        """The last block of each stage there."""
        return [stack.blocks_of(whole)[end] for stack in self.stacks for end in stack.plan.ends]

    def borrow(self, teacher_blocks: Sequence[nn.Module]) -> None:
        """Lets the teacher's blocks run the stages that a path gives to the teacher.

        Args:
            teacher_blocks: The teacher's blocks of all stacks. They stay the teacher's: they are in no state dict
                or parameter list of the owner.
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

    def _by_stack(self, blocks: Sequence[nn.Module]) -> list[tuple[DividedStack, Sequence[nn.Module]]]:
        ends = [0]
        for stack in self.stacks:
            ends.append(ends[-1] + stack.plan.num_layers)
        return [(stack, list(blocks)[a:b]) for stack, a, b in zip(self.stacks, ends, ends[1:])]
