"""A stage plan for each of several stacks."""
from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .layer_stack import LayerStack
from .per_stack import PerStack
from .stage_plan import StagePlan


def plan_stacks(
    stacks: Sequence[LayerStack],
    num_stages: Any = None,
    stage_sizes: Any = None,
    plan: Any = None,
    copy: Any = 'last',
    layers_per_stage: Any = 1,
) -> list[StagePlan]:
    """Plans the division of stacks.

    Args:
        stacks: The stacks.
        num_stages: Stages of an even division, one number for all stacks or a list with one for each. Give this or
            one of the next two.
        stage_sizes: Teacher layers of each stage, a list for all stacks or a list of lists.
        plan: Ready plans.
        copy: See :class:`StagePlan`; one for all stacks or a list.
        layers_per_stage: See :class:`StagePlan`; a list is for the stages of the only stack, or has one for each stack.

    Returns:
        A plan for each stack.

    Raises:
        ValueError: If not exactly one of the three is given, or it does not fit a stack; the message names the stack.
    """
    if sum(choice is not None for choice in (num_stages, stage_sizes, plan)) != 1:
        raise ValueError('give exactly one of num_stages, stage_sizes and plan')
    count = len(stacks)
    if plan is not None:
        return PerStack.of('plan', plan, count)
    name, values = ('num_stages', num_stages) if stage_sizes is None else ('stage_sizes', stage_sizes)
    values = PerStack.of(name, values, count, depth=name == 'stage_sizes')
    copies = PerStack.of('copy', copy, count)
    layers = PerStack.of('layers_per_stage', layers_per_stage, count, depth=1 if count == 1 else 0)
    plans = []
    for stack, value, rule, students in zip(stacks, values, copies, layers):
        try:
            plans.append(StagePlan.even(len(stack.layers), value, rule, students) if name == 'num_stages' else
                         StagePlan.from_sizes(value, len(stack.layers), rule, students))
        except ValueError as error:
            if count == 1:
                raise
            raise ValueError(f'{error}\nThis is {stack}, one of {count} stacks: {", ".join(map(str, stacks))}. A list '
                             f'of {count} as {name} gives each its own.') from error
    return plans
