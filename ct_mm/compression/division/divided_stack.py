"""One stack of blocks, divided."""
from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace

from torch import nn

from ..layers.adapter import adapters, fold, layer_width
from ..layers.layer_copy import copy_layer, renumber_layers
from .pass_through import PassThrough
from .slot import Slot
from .spec import StackDivision


class DividedStack:
    """Puts slots in place of the blocks of a stack.

    The list keeps its length N, so the model's forward needs no change. In a stage that the student runs, the last slot
    of each part runs the student's layer and the others return their input. In a stage that the teacher runs, each slot
    runs the teacher's block.

    Args:
        model: The model that holds the stack; its list is changed in place, its blocks become the student's layers.
        division: The stack and its plan.
        owner: Path of the module whose config builds the stack; empty for the model itself.
        student: A module like the owner, whose blocks become the student's layers instead. If their width differs, a
            linear map leads into each stage and another leads out.
        folded: Lead from each stage straight into the next with one linear map. Then only the student can run.

    Attributes:
        name (str): The stack's name in ``compress.layers``.
        slots (list[Slot]): The N slots, in order.
        place (LayerStack): The stack of slots; ``place.of(model)`` are the blocks of an undivided model.
        notes (list[str]): For each student layer, what was not simply copied.

    Raises:
        ValueError: If ``student`` has another number of blocks.
    """

    def __init__(self, model: nn.Module, division: StackDivision, owner: str = '', student: nn.Module | None = None,
                 folded: bool = False) -> None:
        stack = division.stack
        self.name, self.owner_path, self.owner = stack.path, owner, model.get_submodule(owner)
        self.plan, self.folded = division.plan, folded
        #: Whether the student's layers run each stage; the others of a hybrid keep the teacher's.
        self.by_student = tuple(map(bool, division.path or [True] * self.plan.num_stages))
        #: The config changes for the student's layers.
        self.change = division.student if isinstance(division.student, Mapping) and any(self.by_student) else None
        self.rule = PassThrough(division.pass_through)
        blocks, shaped = list(stack.layers), None
        if student is not None:
            shaped = stack.inside(owner).of(student)
            if len(shaped) != len(blocks):
                raise ValueError(f'compress.student changes the number of layers: {len(shaped)} instead of {stack}; '
                                 f'set that with num_stages and layers_per_stage')
        of_student = [each for each, count in zip(self.by_student, self.plan.layers_per_stage) for _ in range(count)]
        layers = [(shaped if shaped and each else blocks)[copied[-1]]
                  for each, copied in zip(of_student, self.plan.copied_layers)]
        renumber_layers(blocks, layers)
        # The list may be a subclass with a forward of its own, so its entries are exchanged in place.
        entries = model.get_submodule(stack.container)
        for part, layer in zip(self.plan.parts, layers):
            runner = Slot(layer, None, self.rule)
            for index in part:
                entries[stack.start + index] = runner if index == part[-1] else Slot(None, runner, self.rule)
        self.slots = stack.of(model)
        self.place = replace(stack, layers=tuple(self.slots))
        if shaped:
            self._add_adapters(layer_width(blocks[0]))
        self.copy_layers(blocks)

    @property
    def stages(self) -> list[list[Slot]]:
        """The slots of each stage."""
        return [[self.slots[index] for index in stage] for stage in self.plan.stages]

    @property
    def student_layers(self) -> list[nn.Module]:
        """The student's layers."""
        return [slot.layer for slot in self.slots if slot.layer is not None]

    @property
    def has_adapters(self) -> bool:
        """Whether the student's layers have another width than the teacher's."""
        return any(slot.enter is not None for slot in self.slots)

    def copy_layers(self, teacher_blocks: Sequence[nn.Module]) -> None:
        """Starts each student layer from the teacher layers that the plan names, and notes what did not fit."""
        self.notes = [copy_layer(layer, [teacher_blocks[index] for index in copied])
                      for layer, copied in zip(self.student_layers, self.plan.copied_layers)]

    @contextmanager
    def undivided(self, model: nn.Module) -> Iterator[None]:
        """Puts the student's layers themselves into the list for as long as the context lasts, each in its place.

        The names of their tensors are then those of an undivided model. A layer's adapters are parts of it.

        Args:
            model: The model that holds the stack.
        """
        entries = model.get_submodule(self.place.container)
        running = {self.place.start + i: slot for i, slot in enumerate(self.slots) if slot.layer is not None}
        adapters = [(slot.layer, name, module) for slot in running.values() for name, module in slot.named_children()
                    if module is not slot.layer]
        try:
            for layer, name, module in adapters:
                layer.add_module(name, module)
            for index, slot in running.items():
                entries[index] = slot.layer
            yield
        finally:
            for index, slot in running.items():
                entries[index] = slot
            for layer, name, _ in adapters:
                layer._modules.pop(name, None)

    def fold(self) -> None:
        """Merges each stage's exit adapter with the next stage's entry adapter."""
        ends = self._stage_ends()
        for (_, before), (after, _) in zip(ends, ends[1:]):
            after.enter, before.leave = fold(before.leave, after.enter), None
        self.folded = True

    def _add_adapters(self, width: int) -> None:
        ends = self._stage_ends()
        for i, (first, last) in enumerate(ends):
            if layer_width(first.layer) == width:
                continue
            outside = layer_width(ends[i - 1][1].layer) if self.folded and i else width
            first.enter = adapters(outside, first.layer)[0]
            last.leave = None if self.folded and i + 1 < len(ends) else adapters(width, last.layer)[1]
            if last.leave is not None and first.enter.in_features == width:
                last.leave.weight.data.copy_(first.enter.weight.data.T)

    def _stage_ends(self) -> list[tuple[Slot, Slot]]:
        """The slots that run the first and the last student layer of each stage."""
        running = [[slot for slot in stage if slot.layer is not None] for stage in self.stages]
        return [(slots[0], slots[-1]) for slots in running]
