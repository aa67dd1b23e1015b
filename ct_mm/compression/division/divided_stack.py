"""One stack of blocks, divided."""
from __future__ import annotations

from collections.abc import Mapping, Sequence

from torch import nn

from ..layers.adapter import adapters, fold, layer_width
from ..layers.layer_copy import copy_layer, renumber_layers
from .pass_through import PassThrough
from .slot import Slot
from .spec import StackDivision


class DividedStack:
    """Puts slots in place of the blocks of a stack.

    The list keeps its length N, so the forward that runs through it stays untouched. In a stage of the student the last
    slot of each part runs the student's layer and the others pass their input on; in a stage of the teacher each slot
    runs the teacher's block.

    Args:
        model: The model that holds the stack; its list is changed in place, its blocks become the student's layers.
        division: The stack and its plan.
        owner: Path of the module whose config builds the stack; empty for the model itself.
        student: A module like the owner, whose blocks become the student's layers instead. Where their width differs, a
            linear map leads into each stage and another leads out.
        folded: Lead from a stage straight into the next with one linear map. Only the student can run then, the teacher
            cannot run a stage any more.

    Raises:
        ValueError: If ``student`` has another number of blocks.
    """

    def __init__(self, model: nn.Module, division: StackDivision, owner: str = '', student: nn.Module | None = None,
                 folded: bool = False) -> None:
        stack = division.stack
        self.name, self.owner_path, self.owner = stack.path, owner, model.get_submodule(owner)
        self.plan, self.folded = division.plan, folded
        #: What the config says differently for the student's layers.
        self.change = division.student if isinstance(division.student, Mapping) else None
        self.rule = PassThrough(division.pass_through)
        self._place = stack.container, stack.start
        self._list = model.get_submodule(stack.container)
        blocks, shaped = list(stack.layers), None
        if student is not None:
            shaped = stack.inside(owner).of(student)
            if len(shaped) != len(blocks):
                raise ValueError(f'compress.student changes the number of layers: {len(shaped)} instead of {stack}; '
                                 f'set that with num_stages and layers_per_stage')
        layers = [(shaped or blocks)[copied[-1]] for copied in self.plan.copied_layers]
        renumber_layers(blocks, layers)
        # A Sequential or ModuleList subclass may have a forward of its own, so its entries are exchanged in place.
        for part, layer in zip(self.plan.parts, layers):
            runner = Slot(layer, None, self.rule)
            for index in part[:-1]:
                self._list[stack.start + index] = Slot(None, runner, self.rule)
            self._list[stack.start + part[-1]] = runner
        self._add_adapters(layer_width(blocks[0]) if shaped else None)
        #: For each student layer, what was not simply copied, in words.
        self.notes = self.copy_layers(blocks)

    @property
    def container(self) -> str:
        """Dotted path of the list, seen from the owner."""
        return self._place[0][len(self.owner_path) + 1:] if self.owner_path else self._place[0]

    @property
    def start(self) -> int:
        """Index of the first slot in the list."""
        return self._place[1]

    def blocks_of(self, whole: nn.Module) -> list[nn.Module]:
        """What stands in the stack's place in another model of this architecture."""
        return list(whole.get_submodule(self._place[0]))[self.start:self.start + self.plan.num_layers]

    @property
    def slots(self) -> list[Slot]:
        """The N slots, in order."""
        return list(self._list)[self.start:self.start + self.plan.num_layers]

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
        """Sets which model runs each stage, ``True`` for the student; ``None`` is the pure student."""
        slots = self.slots
        for by_student, stage in zip(path or [True] * self.plan.num_stages, self.plan.stages):
            for index in stage:
                slots[index].by_student = by_student

    def copy_layers(self, teacher_blocks: Sequence[nn.Module]) -> list[str]:
        """Starts each student layer from the teacher layers that the plan names; returns what did not fit."""
        self.notes = [
            copy_layer(layer, [teacher_blocks[index] for index in copied])
            for layer, copied in zip(self.student_layers, self.plan.copied_layers)
        ]
        return self.notes

    def fold(self) -> None:
        """Merges each stage's exit adapter with the next stage's entry adapter."""
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
