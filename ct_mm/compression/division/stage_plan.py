"""The teacher layers that each stage of the student replaces.

References:
    CompressTracker, arXiv 2409.17564, section 3.2 (stage division).
"""
from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Sequence

#: The teacher layers of its stage from which a student layer may start.
COPY_RULES = ('last', 'first', 'mean')


@dataclass(frozen=True)
class StagePlan:
    """A division of N teacher layers into K stages, each with one or more student layers.

    The path chooses a model for each stage. The teacher layers of a stage are split evenly into parts, one for each
    student layer; with one student layer, as in the paper, the part is the whole stage.

    Args:
        stages: The indices of each stage's teacher layers, counted from 0. Together they must be 0, 1, ..., N-1 in this
            order.
        copy: The teacher layer of its part from which a student layer starts: the ``last`` (the paper's choice), the
            ``first``, or the ``mean`` of all.
        layers_per_stage: Student layers of each stage, one number for all or one for each.

    Raises:
        ValueError: If a layer is missing, repeated or out of order, a stage is empty or has fewer teacher layers than
            student layers, or ``copy`` is unknown. The message prints the plan.

    Examples:
        >>> StagePlan.even(12, 4).stages
        ((0, 1, 2), (3, 4, 5), (6, 7, 8), (9, 10, 11))
        >>> StagePlan.from_sizes([2, 4], copy='first').copied_layers
        ((0,), (2,))
    """

    stages: tuple[tuple[int, ...], ...]
    copy: str = 'last'
    layers_per_stage: int | tuple[int, ...] = 1

    def __post_init__(self) -> None:
        layers = [layer for stage in self.stages for layer in stage]
        if not layers or not all(self.stages) or layers != list(range(len(layers))):
            raise ValueError(f'a plan must cover each teacher layer exactly once, in order, but this one is\n{self}')
        if self.copy not in COPY_RULES:
            raise ValueError(f'copy must be one of {", ".join(COPY_RULES)}, not {self.copy!r}')
        counts = self.layers_per_stage
        counts = (counts, ) * len(self.stages) if isinstance(counts, int) else tuple(counts)
        if len(counts) != len(self.stages) or not all(1 <= n <= len(s) for n, s in zip(counts, self.stages)):
            raise ValueError(f'layers_per_stage={self.layers_per_stage} must give each stage from one student layer to '
                             f'as many as it has teacher layers, but the stages are\n{self}')
        object.__setattr__(self, 'layers_per_stage', counts)

    @classmethod
    def even(cls, num_layers: int, num_stages: int, copy: str = 'last',
             layers_per_stage: int | Sequence[int] = 1) -> StagePlan:
        """Splits into stages that are as equal as possible: stage i begins at ``round(i * N / K)``.

        Args:
            num_layers: Teacher layers N.
            num_stages: Stages K, from 1 to N. K need not divide N.
            copy: See the class.
            layers_per_stage: See the class.

        Returns:
            The plan.

        Raises:
            ValueError: If K is not in 1..N.
        """
        if not 1 <= num_stages <= num_layers:
            raise ValueError(f'num_stages={num_stages} must be between 1 and the {num_layers} layers of the teacher')
        return cls(_split(tuple(range(num_layers)), num_stages), copy, layers_per_stage)

    @classmethod
    def from_sizes(cls, sizes: Sequence[int], num_layers: int | None = None, copy: str = 'last',
                   layers_per_stage: int | Sequence[int] = 1) -> StagePlan:
        """Takes the number of teacher layers of each stage, such as ``[2, 2, 6, 2]``.

        Args:
            sizes: Layers of each stage, each at least 1.
            num_layers: Teacher layers N, if known: the sizes must add up to it.
            copy: See the class.
            layers_per_stage: See the class.

        Returns:
            The plan.

        Raises:
            ValueError: If a size is below 1 or the sizes do not add up.
        """
        if not sizes or any(size < 1 for size in sizes):
            raise ValueError(f'stage_sizes={list(sizes)}: every stage needs at least one teacher layer')
        bounds = [sum(sizes[:i]) for i in range(len(sizes) + 1)]
        plan = cls(_cut(tuple(range(bounds[-1])), bounds), copy, layers_per_stage)
        if num_layers is not None and plan.num_layers != num_layers:
            raise ValueError(f'stage_sizes={list(sizes)} add up to {plan.num_layers} layers, '
                             f'but the teacher has {num_layers}:\n{plan}')
        return plan

    def along(self, path: Sequence[bool]) -> StagePlan:
        """Returns the plan of a hybrid, in which the stages that a path gives to the teacher keep all their layers.

        Raises:
            ValueError: If the path does not have one entry for each stage.

        Examples:
            >>> StagePlan.even(12, 4).along((True, False, True, True)).layers_per_stage
            (1, 3, 1, 1)
        """
        if len(path) != self.num_stages:
            raise ValueError(f'path={list(path)} has {len(path)} entries for {self.num_stages} stages')
        counts = zip(self.stages, self.layers_per_stage, path)
        return replace(self, layers_per_stage=tuple(n if by_student else len(stage) for stage, n, by_student in counts))

    @property
    def num_layers(self) -> int:
        """Teacher layers N."""
        return sum(len(stage) for stage in self.stages)

    @property
    def num_stages(self) -> int:
        """Stages K."""
        return len(self.stages)

    @property
    def num_student_layers(self) -> int:
        """Student layers: K, or more if stages have several."""
        return sum(self.layers_per_stage)

    @property
    def ends(self) -> tuple[int, ...]:
        """The last teacher layer of each stage."""
        return tuple(stage[-1] for stage in self.stages)

    @property
    def parts(self) -> tuple[tuple[int, ...], ...]:
        """The teacher layers that each student layer replaces."""
        return tuple(part for stage, count in zip(self.stages, self.layers_per_stage) for part in _split(stage, count))

    @property
    def student_places(self) -> tuple[int, ...]:
        """The place in the teacher's stack where each student layer runs: the last of its part."""
        return tuple(part[-1] for part in self.parts)

    @property
    def copied_layers(self) -> tuple[tuple[int, ...], ...]:
        """The teacher layers whose mean each student layer starts from (usually just one)."""
        choose = {'last': lambda p: p[-1:], 'first': lambda p: p[:1], 'mean': lambda p: p}[self.copy]
        return tuple(choose(part) for part in self.parts)

    def __str__(self) -> str:
        return '\n'.join(f'stage {i}: teacher layers {", ".join(map(str, stage)) or "none"}'
                         for i, stage in enumerate(self.stages))


def _split(layers: tuple[int, ...], parts: int) -> tuple[tuple[int, ...], ...]:
    return _cut(layers, [round(i * len(layers) / parts) for i in range(parts + 1)])


def _cut(layers: tuple[int, ...], bounds: Sequence[int]) -> tuple[tuple[int, ...], ...]:
    return tuple(layers[a:b] for a, b in zip(bounds, bounds[1:]))
