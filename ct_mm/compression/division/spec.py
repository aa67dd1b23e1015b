"""The settings of a division, resolved once for each stack."""
from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

from torch import nn

from ct_mm.settings import checked

from .layer_stack import LayerStack
from .pass_through import Argument
from .stage_plan import StagePlan


@dataclass(frozen=True)
class StackDivision:
    """The division of one stack.

    Args:
        stack: The stack.
        plan: Its stages.
        pass_through: What a skipped block returns, see :class:`~ct_mm.compression.division.pass_through.PassThrough`.
        student: The shape of the student's layers: changes to a config, a module with such blocks, or ``None``.
        path: For a hybrid, whether the student's layers run each stage; the other stages keep the teacher's.
    """

    stack: LayerStack
    plan: StagePlan
    pass_through: Argument | Sequence[Any] | None = None
    student: Mapping | nn.Module | None = None
    path: Sequence[bool] | None = None


@checked
@dataclass(frozen=True)
class DivisionSpec:
    """The settings of a division; no other place lists them.

    Every setting except ``layers`` takes one value for all stacks or a list with one value for each stack.

    Args:
        layers: Names of the stacks, see :func:`~ct_mm.compression.division.layer_stack.find_layer_stacks`; ``None``
            searches.
        num_stages: Stages K of an even division. Give this, ``stage_sizes`` or ``plan``.
        stage_sizes: Teacher layers of each stage.
        plan: A finished plan.
        copy: The teacher layer of its stage from which a student layer starts: ``last``, ``first``, or ``mean`` of all.
        pass_through: What a skipped block returns, if this cannot be detected, see
            :class:`~ct_mm.compression.division.pass_through.PassThrough`.
        layers_per_stage: Student layers of a stage: one number for all stages; for a single stack also a list with one
            number for each stage; for several stacks a list with either of these for each stack.
        student: Changes to the config of the stack's owner for the student's layers, such as ``dict(mlp_ratio=2.0)``;
            or a module with blocks of that shape.
        path: For a hybrid, whether the student's layers run each stage; a stage with ``False`` keeps all layers of the
            teacher, in the teacher's shape. Not a setting of a training; an exported config has it.

    Examples:
        >>> from ct_mm.compression.division.layer_stack import find_layer_stacks
        >>> encoder = nn.TransformerEncoder(nn.TransformerEncoderLayer(8, 2), 6, enable_nested_tensor=False)
        >>> [division] = DivisionSpec(num_stages=3).resolve(find_layer_stacks(encoder))
        >>> division.plan.stages
        ((0, 1), (2, 3), (4, 5))
    """

    layers: str | Sequence[str] | None = None
    num_stages: int | Sequence[int] | None = None
    stage_sizes: Sequence[int] | Sequence[Sequence[int]] | None = None
    plan: StagePlan | Sequence[StagePlan] | None = None
    copy: str | Sequence[str] = 'last'
    pass_through: Argument | Sequence[Any] | None = None
    layers_per_stage: int | Sequence[int | Sequence[int]] = 1
    student: Mapping | nn.Module | Sequence[Mapping | nn.Module | None] | None = None
    path: Sequence[bool] | Sequence[Sequence[bool]] | None = None

    @classmethod
    def keys(cls) -> tuple[str, ...]:
        """Names of the settings that a config's ``compress`` may hold."""
        return tuple(field.name for field in fields(cls) if field.name not in ('plan', 'path'))

    @classmethod
    def settings_in(cls, compress: Mapping) -> dict[str, Any]:
        """Picks the settings of the division from a config's ``compress``.

        ``stage_sizes`` overrides ``num_stages``, because the base config sets a number and the sizes are more precise.
        """
        settings = {key: compress[key] for key in cls.keys() if key in compress}
        if settings.get('stage_sizes') is not None:
            settings.pop('num_stages', None)
        return settings

    def resolve(self, stacks: Sequence[LayerStack]) -> list[StackDivision]:
        """Gives each stack its plan and settings.

        Args:
            stacks: The stacks to divide, in the order of the path.

        Returns:
            One division for each stack.

        Raises:
            ValueError: If not exactly one of ``num_stages``, ``stage_sizes`` and ``plan`` is given, a list does not
                have one value for each stack, or a plan does not fit its stack. The message names the stack.
        """
        given = [name for name in ('num_stages', 'stage_sizes', 'plan') if getattr(self, name) is not None]
        if len(given) != 1:
            raise ValueError('give exactly one of num_stages, stage_sizes and plan')
        name, count, divisions = given[0], len(stacks), []
        nested = dict(stage_sizes=True, layers_per_stage=count == 1, pass_through=True, path=True)
        columns = [_per_stack(key, getattr(self, key), count, nested.get(key, False))
                   for key in (name, 'copy', 'layers_per_stage', 'pass_through', 'student', 'path')]
        for stack, value, *rest, rule, shape, path in zip(stacks, *columns):
            try:
                plan = value if name == 'plan' else StagePlan.even(len(stack.layers), value, *rest) \
                    if name == 'num_stages' else StagePlan.from_sizes(value, len(stack.layers), *rest)
                if plan.num_layers != len(stack.layers):
                    raise ValueError(f'the plan covers {plan.num_layers} layers, but {stack} has {len(stack.layers)}:'
                                     f'\n{plan}')
                plan = plan if path is None else plan.along(path)
            except ValueError as error:
                if count == 1:
                    raise
                raise ValueError(f'{error}\nThis is {stack}, one of {count} stacks: {", ".join(map(str, stacks))}. '
                                 f'Give a list of {count} as {name} to set each stack separately.') from error
            divisions.append(StackDivision(stack, plan, rule, shape, path))
        return divisions


def _per_stack(name: str, value: Any, count: int, nested: bool = False) -> list[Any]:
    """Returns one value for each stack. With ``nested``, a flat list is one value, which holds for all stacks."""
    listed = isinstance(value, (list, tuple))
    if not listed or (nested and not any(isinstance(item, (list, tuple)) for item in value)):
        return [value] * count
    if len(value) != count:
        raise ValueError(f'{name}={value!r} has {len(value)} values for {count} stacks of layers')
    return list(value)
