"""A model whose stacks are divided into stages, read as one flat row of stages.

References:
    CompressTracker, arXiv 2409.17564, sections 3.2 and 3.3.
"""
from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
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
    """Divides the stacks of a model in place and chooses which model runs each stage.

    The model keeps its class, its forward and its parameter names, except that ``layer`` is added to the names inside
    the blocks.

    Args:
        model: The model, changed in place.
        spec: The settings.
        config: Config of the model, from which student layers of another shape are built.
        whole: Let the model itself own all stacks, as it does without a config. By default the owner of a stack is its
            nearest ancestor with a config of its own; ``spec.student`` changes the owner's config.
        folded: See :class:`~ct_mm.compression.division.divided_stack.DividedStack`.

    Attributes:
        spec (DivisionSpec): The settings.
        stacks (list[DividedStack]): The stacks, in the order of the path; each knows its owner.

    Raises:
        ValueError: If a stack cannot be found or a setting does not fit it.
    """

    def __init__(self, model: nn.Module, spec: DivisionSpec, config: Mapping | None = None,
                 whole: bool = False, folded: bool = False) -> None:
        self.spec = spec
        divisions = spec.resolve(find_layer_stacks(model, spec.layers))
        owners = ['' if whole or config is None else owner_path(config, each.stack.container) for each in divisions]
        students, built = [], {}  # stacks with the same change share one module
        for owner, student in zip(owners, (each.student for each in divisions)):
            if isinstance(student, Mapping):
                if config is None:
                    raise ValueError(f'student={student!r} changes a config, but the model was given as a module: pass '
                                     f'a module with blocks of the shape that the student should have')
                key = owner, str(student)
                if student and key not in built:
                    built[key] = _build_changed(model, config, owner, student)
                student = built.get(key)
            students.append(student)
        self.stacks = [DividedStack(model, *each, folded) for each in zip(divisions, owners, students)]
        self._path: tuple[bool, ...] | None = None

    @property
    def plan(self) -> StagePlan:
        """The plan of the only stack; raises a ValueError if there are several."""
        if len(self.stacks) > 1:
            raise ValueError(f'{len(self.stacks)} stacks have a plan each: read stacks[i].plan')
        return self.stacks[0].plan

    @property
    def stages(self) -> list[list[Slot]]:
        """The slots of each stage, in the order of the path."""
        return [stage for stack in self.stacks for stage in stack.stages]

    @property
    def num_stages(self) -> int:
        """Length of the path: the stages of all stacks."""
        return len(self.stages)

    @property
    def path(self) -> tuple[bool, ...] | None:
        """Which model runs each stage in the next forward, ``True`` for the student; ``None`` is the pure student."""
        return self._path

    @path.setter
    def path(self, path: Sequence[bool] | None) -> None:
        if path is not None and len(path) != self.num_stages:
            raise ValueError(f'path {tuple(path)} has {len(path)} entries for {self.num_stages} stages')
        self._path = None if path is None else tuple(map(bool, path))
        for stage, by_student in zip(self.stages, self._path or [True] * self.num_stages):
            for slot in stage:
                slot.by_student = by_student

    @contextmanager
    def along(self, path: Sequence[bool]) -> Iterator[tuple[bool, ...]]:
        """Sets the path for as long as the context lasts; afterwards the pure student runs."""
        try:
            self.path = path
            yield self.path
        finally:
            self.path = None

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
        """The module that owns each stage."""
        return [stack.owner for stack in self.stacks for _ in stack.stages]

    @property
    def stacks_by_owner(self) -> dict[str, list[DividedStack]]:
        """The stacks that each module owns, by its path."""
        owned: dict[str, list[DividedStack]] = {}
        for stack in self.stacks:
            owned.setdefault(stack.owner_path, []).append(stack)
        return owned

    @property
    def stage_ends(self) -> list[Slot]:
        """The last slot of each stage: its output holds the stage's tokens."""
        return [stage[-1] for stage in self.stages]

    def blocks_of(self, whole: nn.Module) -> list[nn.Module]:
        """Returns the N blocks of all stacks in an undivided model of this architecture."""
        return [block for stack in self.stacks for block in stack.place.of(whole)]

    def ends_of(self, whole: nn.Module) -> list[nn.Module]:
        """Returns the last block of each stage in an undivided model."""
        return [stack.place.of(whole)[end] for stack in self.stacks for end in stack.plan.ends]

    def borrow(self, whole: nn.Module) -> None:
        """Lets the blocks of an undivided model run the stages that a path gives to the teacher.

        The blocks still belong to the teacher: they are in no state dict or parameter list of the divided model.
        """
        for slot, block in zip(self.slots, self.blocks_of(whole), strict=True):
            slot.lend(block)

    def copy_layers(self, whole: nn.Module) -> None:
        """Starts each student layer from the blocks of an undivided model that its plan names."""
        for stack in self.stacks:
            stack.copy_layers(stack.place.of(whole))

    def fold(self) -> None:
        """Folds the linear maps between stages of another width; from then on only the student can run."""
        for stack in self.stacks:
            if stack.has_adapters:
                stack.fold()


def _build_changed(model: nn.Module, config: Mapping, owner: str, changes: Mapping) -> nn.Module:
    """Builds the owner of a stack with changes to its config, for student layers of another shape."""
    changed = merge_configs(config_at(config, owner), changes)
    try:
        return build_model(changed)
    except (TypeError, ValueError) as error:
        known = ('_delete_', *config_at(config, owner), *accepted_by(type(model.get_submodule(owner))))
        check_settings(changes, dict.fromkeys(known, Any), 'compress.student.')
        raise ValueError(f'compress.student={dict(changes)}: {error}') from error
