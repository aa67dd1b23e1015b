"""A model whose stacks are divided into stages, read as one flat row of stages.

References:
    CompressTracker, arXiv 2409.17564, sections 3.2 and 3.3.
"""
from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from torch import nn

from ct_mm.settings import accepted_by, check_settings

from ..config_tree import build_model, config_at, merge_configs, owner_path
from .divided_stack import DividedStack
from .layer_stack import find_layer_stacks
from .slot import Slot
from .spec import DivisionSpec
from .stage_plan import StagePlan


class DividedModel:
    """Divides the stacks of a model in place and chooses who runs their stages.

    The model keeps its class, its forward and the names of its parameters, but for ``layer`` in those of the blocks,
    see :class:`~ct_mm.compression.division.divided_stack.DividedStack`.

    Args:
        model: The model, changed in place.
        spec: The settings.
        config: Config of the model. The owner of a stack is its nearest ancestor with a config of its own, from which
            student layers of another shape are built. Without a config the model itself is the owner of all stacks.
        folded: See :class:`~ct_mm.compression.division.divided_stack.DividedStack`.

    Attributes:
        stacks (list[DividedStack]): The stacks, in the order of the path; each knows its owner.

    Raises:
        ValueError: If a stack cannot be found or a setting does not fit it.
    """

    def __init__(self, model: nn.Module, spec: DivisionSpec, config: Mapping | None = None,
                 folded: bool = False) -> None:
        divisions = spec.resolve(find_layer_stacks(model, spec.layers))
        owners = ['' if config is None else owner_path(config, each.stack.container) for each in divisions]
        shapes: list[tuple[str, Mapping, nn.Module]] = []  # stacks with the same change share one module

        def shape(owner: str, student: Mapping | nn.Module | None) -> nn.Module | None:
            if not isinstance(student, Mapping) or not student:
                return student if isinstance(student, nn.Module) else None
            for path, change, built in shapes:
                if (path, change) == (owner, student):
                    return built
            changed = merge_configs(config_at(config, owner), student)
            try:
                shapes.append((owner, student, build_model(changed)))
            except (TypeError, ValueError) as error:
                known = ('_delete_', *config_at(config, owner), *accepted_by(type(model.get_submodule(owner))))
                check_settings(student, dict.fromkeys(known, Any), 'compress.student.')
                raise ValueError(f'compress.student={dict(student)}: {error}') from error
            return shapes[-1][-1]

        students = [shape(owner, each.student) for owner, each in zip(owners, divisions)]
        self.stacks = [DividedStack(model, *each, folded) for each in zip(divisions, owners, students)]
        self._path: tuple[bool, ...] | None = None

    @property
    def plan(self) -> StagePlan:
        """The plan of the only stack; raises a ValueError if there are several."""
        if len(self.stacks) > 1:
            raise ValueError(f'{len(self.stacks)} stacks have a plan each: read stacks[i].plan')
        return self.stacks[0].plan

    @property
    def num_stages(self) -> int:
        """Length of the path: the stages of all stacks."""
        return sum(stack.plan.num_stages for stack in self.stacks)

    @property
    def path(self) -> tuple[bool, ...] | None:
        """Which model runs each stage in the next forward, ``True`` for the student; ``None`` is the pure student."""
        return self._path

    @path.setter
    def path(self, path: Sequence[bool] | None) -> None:
        self._path = rest = None if path is None else self.checked(path)
        for stack in self.stacks:
            stack.set_path(rest and rest[:stack.plan.num_stages])
            rest = rest and rest[stack.plan.num_stages:]

    def checked(self, path: Sequence[bool]) -> tuple[bool, ...]:
        """Returns a path as a tuple; raises a ValueError if it does not have one entry for each stage."""
        if len(path) != self.num_stages:
            raise ValueError(f'path {tuple(path)} has {len(path)} entries for {self.num_stages} stages')
        return tuple(bool(by_student) for by_student in path)

    @property
    def slots(self) -> list[Slot]:
        """The slots of all stacks."""
        return [slot for stack in self.stacks for slot in stack.slots]

    @property
    def student_layers(self) -> list[nn.Module]:
        """The student's layers."""
        return [layer for stack in self.stacks for layer in stack.student_layers]

    @property
    def owners(self) -> list[nn.Module]:
        """For each stage the module that owns it."""
        return [stack.owner for stack in self.stacks for _ in range(stack.plan.num_stages)]

    @property
    def stacks_by_owner(self) -> dict[str, list[DividedStack]]:
        """The stacks that each module owns, by its path."""
        owned: dict[str, list[DividedStack]] = {}
        for stack in self.stacks:
            owned.setdefault(stack.owner_path, []).append(stack)
        return owned

    @property
    def stage_ends(self) -> list[Slot]:
        """The last slot of each stage: its output is the stage's tokens."""
        return [stack.slots[end] for stack in self.stacks for end in stack.plan.ends]

    def blocks_of(self, whole: nn.Module) -> list[nn.Module]:
        """The N blocks of all stacks in an undivided model of this architecture."""
        return [block for stack in self.stacks for block in stack.blocks_of(whole)]

    def ends_of(self, whole: nn.Module) -> list[nn.Module]:
        """The last block of each stage there."""
        return [stack.blocks_of(whole)[end] for stack in self.stacks for end in stack.plan.ends]

    def borrow(self, whole: nn.Module) -> None:
        """Lets the blocks of an undivided model run the stages that a path gives to the teacher.

        They stay the teacher's: they are in no state dict or parameter list of the divided model.
        """
        for slot, block in zip(self.slots, self.blocks_of(whole), strict=True):
            slot.lend(block)

    def copy_layers(self, whole: nn.Module) -> None:
        """Starts each student layer from those blocks of an undivided model that its plan names."""
        for stack in self.stacks:
            stack.copy_layers(stack.blocks_of(whole))

    def fold(self) -> None:
        """Folds the linear maps between stages of another width; from then on only the student can run."""
        for stack in self.stacks:
            if stack.has_adapters:
                stack.fold()
