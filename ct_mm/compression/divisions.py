"""The divisions of a whole model, read as one."""
from __future__ import annotations

from collections.abc import Sequence

from torch import nn

from .divided_stack import DividedStack
from .division import Division
from .slot import Slot


class Divisions(dict):
    """For the path of each module that owns stacks its :class:`~ct_mm.compression.division.Division`.

    What the stacks have in common is read here as one, in the path's order.
    """

    @property
    def only(self) -> Division:
        """The only division.

        Raises:
            ValueError: If there are several.
        """
        if len(self) > 1:
            raise ValueError(f'{", ".join(self)} are divided: read divisions')
        return next(iter(self.values()))

    @property
    def stacks(self) -> dict[str, DividedStack]:
        """All divided stacks by their name in the model."""
        return {f'{owner}.{stack.path}' if owner else stack.path: stack
                for owner, division in self.items() for stack in division.stacks}

    @property
    def num_stages(self) -> int:
        """Length of the path: the stages of all stacks."""
        return sum(division.num_stages for division in self.values())

    @property
    def owners(self) -> list[nn.Module]:
        """For each stage the module that owns it."""
        return [division.owner for division in self.values() for _ in range(division.num_stages)]

    @property
    def stage_ends(self) -> list[Slot]:
        """The last slot of each stage."""
        return [slot for division in self.values() for slot in division.stage_ends]

    @property
    def student_layers(self) -> list[nn.Module]:
        """The layers of the student."""
        return [layer for division in self.values() for layer in division.student_layers]

    def set_path(self, path: Sequence[bool] | None) -> None:
        """Says which model runs each stage, True for the student; ``None`` is the pure student."""
        rest = path
        for division in self.values():
            division.path = None if rest is None else rest[:division.num_stages]
            rest = None if rest is None else rest[division.num_stages:]

    def blocks_of(self, whole: nn.Module) -> list[nn.Module]:
        """The N blocks of all stacks in an undivided model of this architecture."""
        return [block for owner, division in self.items() for block in division.blocks_of(whole.get_submodule(owner))]

    def ends_of(self, whole: nn.Module) -> list[nn.Module]:
        """The last block of each stage there."""
        return [block for owner, division in self.items() for block in division.ends_of(whole.get_submodule(owner))]

    def borrow(self, whole: nn.Module) -> None:
        """Lets its blocks run the stages that a path gives to the teacher."""
        for owner, division in self.items():
            division.borrow(division.blocks_of(whole.get_submodule(owner)))

    def copy_layers(self, whole: nn.Module) -> None:
        """Starts each student layer from those of its blocks that the plan names."""
        for owner, division in self.items():
            division.copy_layers(division.blocks_of(whole.get_submodule(owner)))
