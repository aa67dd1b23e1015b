"""One stack of blocks, divided."""
from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import nn

from .adapter import adapters, fold, layer_width
from .layer_copy import copy_layer
from .layer_index import renumber_layers
from .layer_stack import LayerStack
from .pass_through import PassThrough
from .slot import Slot
from .stage_plan import StagePlan


class DividedStack:
    """Puts slots in place of the blocks of a stack.

    The list keeps its length N, so the forward that runs through it stays untouched. In a stage of the student the last
    slot of each part runs the student's layer and the others hand their input on; in a stage of the teacher each slot
    runs the teacher's block.

    Args:
        owner: The module that holds the list.
        stack: Where in it; its blocks become the student's layers.
        plan: The division.
        pass_through: See :class:`~ct_mm.compression.pass_through.PassThrough`.
        student_blocks: N blocks of another shape that become the student's layers instead. Where their width differs, a
            linear map leads into each stage and another out of it.
        folded: Lead from a stage straight into the next with one linear map, which is for the student alone: the
            teacher cannot run a stage any more.
    """

    def __init__(
        self,
        owner: nn.Module,
        stack: LayerStack,
        plan: StagePlan,
        pass_through: Any = None,
        student_blocks: Sequence[nn.Module] | None = None,
        folded: bool = False,
    ) -> None:
        if plan.num_layers != len(stack.layers):
            raise ValueError(f'the plan covers {plan.num_layers} layers, but {stack} has {len(stack.layers)}:\n{plan}')
        if student_blocks is not None and len(student_blocks) != len(stack.layers):
            raise ValueError(f'compress.student changes the number of layers: {len(student_blocks)} instead of {stack}'
                             f'; that is for num_stages and layers_per_stage to say')
        self.owner, self.path, self.container, self.start = owner, stack.path, stack.container, stack.start
        self.plan, self.folded = plan, folded
        self.rule = PassThrough(pass_through)
        blocks = list(stack.layers)
        layers = [(student_blocks or blocks)[copied[-1]] for copied in plan.copied_layers]
        renumber_layers(blocks, layers)
        container = owner.get_submodule(stack.container)
        # A Sequential or ModuleList subclass may carry a forward of its own, so its entries are exchanged in place.
        for part, layer in zip(plan.parts, layers):
            runner = Slot(layer, None, self.rule)
            for index in part[:-1]:
                container[self.start + index] = Slot(None, runner, self.rule)
            container[self.start + part[-1]] = runner
        self._add_adapters(layer_width(blocks[0]) if student_blocks is not None else None)
        #: For each student layer what was not simply copied, in words.
        self.notes = self.copy_layers(blocks)

    def blocks_of(self, owner: nn.Module) -> list[nn.Module]:
        """What stands in the stack's place in another module of this architecture."""
        return list(owner.get_submodule(self.container))[self.start:self.start + self.plan.num_layers]

    @property
    def slots(self) -> list[Slot]:
        """The N slots, in order."""
        return self.blocks_of(self.owner)

    @property
    def stage_ends(self) -> list[Slot]:
        """The last slot of each stage: its output is the stage's tokens."""
        slots = self.slots
        return [slots[end] for end in self.plan.ends]

    @property
    def student_slots(self) -> list[Slot]:
        """The slots that run a student layer."""
        slots = self.slots
        return [slots[place] for place in self.plan.student_places]

    @property
    def student_layers(self) -> list[nn.Module]:
        """The student's layers."""
        return [slot.layer for slot in self.student_slots]

    @property
    def has_adapters(self) -> bool:
        """Whether the student's layers have another width than the teacher's."""
        return any(slot.enter is not None for slot in self.slots)

    def set_path(self, path: Sequence[bool] | None) -> None:
        """Says which model runs each stage, True for the student; ``None`` is the pure student."""
        slots = self.slots
        for by_student, stage in zip(path or [True] * self.plan.num_stages, self.plan.stages):
            for index in stage:
                slots[index].by_student = by_student

    def borrow(self, teacher_blocks: Sequence[nn.Module]) -> None:
        """Lets the teacher's N blocks run the stages that a path gives to the teacher."""
        for slot, block in zip(self.slots, teacher_blocks, strict=True):
            slot.lend(block)

    def copy_layers(self, teacher_blocks: Sequence[nn.Module]) -> list[str]:
        """Starts each student layer from the teacher layers that the plan names, and says what did not fit."""
        self.notes = [
            copy_layer(layer, [teacher_blocks[index] for index in copied])
            for layer, copied in zip(self.student_layers, self.plan.copied_layers)
        ]
        return self.notes

    def fold(self) -> None:
        """Makes one linear map of each two that only the end of a stage lies between."""
        stages, slots = self._stage_slots(), self.slots
        for before, after in zip(stages, stages[1:]):
            slots[after[0]].enter = fold(slots[before[-1]].leave, slots[after[0]].enter)
            slots[before[-1]].leave = None
        self.folded = True

    def _add_adapters(self, width: int | None) -> None:
        if width is None or all(layer_width(layer) == width for layer in self.student_layers):
            return
        stages, slots = self._stage_slots(), self.slots
        for i, stage in enumerate(stages):
            first, last = slots[stage[0]], slots[stage[-1]]
            outside = layer_width(slots[stages[i - 1][-1]].layer) if self.folded and i else width
            first.enter = adapters(outside, first.layer)[0]
            last.leave = None if self.folded and i + 1 < len(stages) else adapters(width, last.layer)[1]
            if last.leave is not None and first.enter.in_features == width:
                last.leave.weight.data.copy_(first.enter.weight.data.T)

    def _stage_slots(self) -> list[list[int]]:
        """For each stage the places of its student layers."""
        return [[place for place in self.plan.student_places if place in stage] for stage in self.plan.stages]
