"""A backbone whose stack of blocks is divided into stages that student or teacher may run.

References:
    CompressTracker, arXiv 2409.17564, sections 3.2 and 3.3.
"""
from __future__ import annotations

from typing import Any, Sequence

import torch
from mmengine.model import BaseModule
from torch import Tensor, nn

from ct_mm.registry import MODELS

from .layer_stack import find_layer_stack
from .slot import Slot
from .stage_plan import StagePlan

#: Which model runs each stage; True is the student.
Path = tuple  # of bool


@MODELS.register_module()
class StageDividedBackbone(BaseModule):
    """Puts slots in place of a backbone's blocks and leaves everything else of it alone.

    The list keeps its length N, so the backbone's own ``forward`` (its loop, its ``out_indices``, its
    position embedding) runs untouched. In a stage of the student the last slot runs the student's layer
    and the others hand their input on; in a stage of the teacher each slot runs the teacher's block.
    Attributes that the wrapper lacks are the backbone's.

    Args:
        backbone: Config of a backbone, or the module itself, whose blocks become the student's layers.
        layers: Dotted path of the list of blocks inside the backbone; ``None`` searches.
        num_stages: Stages K of an even division. Give this or ``stage_sizes`` or ``plan``.
        stage_sizes: Teacher layers of each stage.
        plan: A ready plan.
        copy: Where a student layer starts from in its stage: ``last``, ``first`` or ``mean``.
        pass_through: What a skipped block returns if blocks return tuples, see
            :func:`ct_mm.compression.slot.pass_through`.
        init_cfg: MMEngine's initialisation config.

    Raises:
        ValueError: If there is no such stack or the plan does not fit it.
    """

    def __init__(
        self,
        backbone: dict | nn.Module,
        layers: str | None = None,
        num_stages: int | None = None,
        stage_sizes: Sequence[int] | None = None,
        plan: StagePlan | None = None,
        copy: str = 'last',
        pass_through: Sequence[int | None] | None = None,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(init_cfg)
        self.backbone = backbone if isinstance(backbone, nn.Module) else MODELS.build(backbone)
        stack = find_layer_stack(self.backbone, layers)
        if sum(choice is not None for choice in (num_stages, stage_sizes, plan)) != 1:
            raise ValueError('give exactly one of num_stages, stage_sizes and plan')
        if num_stages is not None:
            plan = StagePlan.even(len(stack.layers), num_stages, copy)
        elif stage_sizes is not None:
            plan = StagePlan.from_sizes(stage_sizes, len(stack.layers), copy)
        elif plan.num_layers != len(stack.layers):
            raise ValueError(f'the plan covers {plan.num_layers} layers, but {stack} has {len(stack.layers)}:\n{plan}')
        self.plan = plan
        self.layers_path = stack.path
        blocks = list(stack.layers)
        slots = [
            Slot(blocks[stage[-1]], index == stage[-1], pass_through) for stage in plan.stages for index in stage
        ]
        # A Sequential or ModuleList subclass may carry a forward of its own, so its entries are exchanged in place.
        for index, slot in enumerate(slots):
            stack.layers[index] = slot
        self._path: Path | None = None
        self.copy_layers(blocks)

    @property
    def slots(self) -> list[Slot]:
        """The N slots, in order."""
        return list(self.backbone.get_submodule(self.layers_path))

    @property
    def stage_ends(self) -> list[Slot]:
        """The last slot of each stage: its output is the stage's tokens."""
        slots = self.slots
        return [slots[end] for end in self.plan.ends]

    @property
    def student_layers(self) -> list[nn.Module]:
        """The K layers of the student."""
        return [slot.layer for slot in self.stage_ends]

    @property
    def path(self) -> Path | None:
        """Which model runs each stage in the next forward, True for the student; ``None`` is the pure student."""
        return self._path

    @path.setter
    def path(self, path: Sequence[bool] | None) -> None:
        if path is not None and len(path) != self.plan.num_stages:
            raise ValueError(f'path {tuple(path)} has {len(path)} entries for {self.plan.num_stages} stages')
        self._path = None if path is None else tuple(bool(step) for step in path)
        slots = self.slots
        for by_student, stage in zip(self._path or [True] * self.plan.num_stages, self.plan.stages):
            for index in stage:
                slots[index].by_student = by_student

    def borrow(self, teacher_blocks: Sequence[nn.Module]) -> None:
        """Lets the teacher's blocks run the stages that a path gives to the teacher.

        Args:
            teacher_blocks: The teacher's N blocks. They stay the teacher's: they are in no state dict
                or parameter list of this module.
        """
        for slot, block in zip(self.slots, teacher_blocks):
            slot.lend(block)

    @torch.no_grad()
    def copy_layers(self, teacher_blocks: Sequence[nn.Module]) -> None:
        """Starts each student layer from the teacher layers that the plan names.

        Args:
            teacher_blocks: The teacher's N blocks.
        """
        states = [
            _mean_state([teacher_blocks[index].state_dict() for index in copied])
            for copied in self.plan.copied_layers
        ]
        for layer, state in zip(self.student_layers, states):
            layer.load_state_dict(state)

    def plain_key(self, key: str, teacher: bool = False) -> str:
        """The name that an entry of this module's state dict has in a plain backbone.

        Args:
            key: Name in ``self.state_dict()``.
            teacher: Number the layers as the N-layer teacher does, by the end of their stage; else as
                the plain K-layer student.

        Returns:
            Name in the plain backbone's state dict.
        """
        key = key[len('backbone.'):]
        stack = f'{self.layers_path}.'
        if not key.startswith(stack):
            return key
        slot, _, rest = key[len(stack):].partition('.layer.')
        return f'{stack}{slot if teacher else self.plan.ends.index(int(slot))}.{rest}'

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


def _mean_state(states: list[dict[str, Tensor]]) -> dict[str, Tensor]:
    if len(states) == 1:
        return states[0]
    return {
        # A counter, such as a batch norm's, has no mean: take the last layer's.
        name: torch.stack([state[name] for state in states]).mean(0) if value.is_floating_point() else value
        for name, value in states[-1].items()
    }
