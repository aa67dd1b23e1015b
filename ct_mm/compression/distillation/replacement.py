"""The replacement rate and the path: pure functions of the step.

A resumed run therefore has the same rates and paths without saved state, and all ranks draw the same path without
communication.

References:
    CompressTracker, arXiv 2409.17564, section 3.3, equation 1. The paper prints the slope p_init instead of 1 - p_init;
    the two agree only at its value of 0.5. The steps follow the released code.
"""
from __future__ import annotations

import numpy as np

#: Names of the schedules of the replacement rate.
SCHEDULES = ('three_phase', 'linear', 'constant')


def replacement_rate(step: int, num_steps: int, schedule: str = 'three_phase', initial: float = 0.5,
                     hold: float = 0.1) -> float:
    """Computes the probability that the student runs a stage.

    Args:
        step: Steps already done, from 0. A step is an epoch in the paper, but may be an iteration.
        num_steps: Steps of the whole training.
        schedule: ``three_phase`` holds ``initial``, then rises linearly, then stays at 1; ``linear`` rises from
            ``initial`` at the first step to 1 at the last; ``constant`` stays at ``initial``.
        initial: Rate of the first step.
        hold: Share of the training of the first phase, and of the last, in ``three_phase``.

    Returns:
        A rate in [0, 1].

    Raises:
        ValueError: If an argument is outside its range.

    Examples:
        >>> [replacement_rate(epoch, 500) for epoch in (0, 50, 250, 450)]
        [0.5, 0.5, 0.75125, 1.0]
    """
    if schedule not in SCHEDULES:
        raise ValueError(f'schedule must be one of {", ".join(SCHEDULES)}, not {schedule!r}')
    if not 0 <= initial <= 1:
        raise ValueError(f'initial={initial} is a probability and must be in [0, 1]')
    if not 0 <= hold < 0.5:
        raise ValueError(f'hold={hold} must be in [0, 0.5): both ends of the training are held')
    if num_steps < 1 or step < 0:
        raise ValueError(f'step={step} of num_steps={num_steps}: both must be counts')
    if schedule == 'constant':
        return initial
    if schedule == 'linear':
        return initial + (1 - initial) * min(step / max(num_steps - 1, 1), 1.0)
    width = int(num_steps * hold)  # w = E // 10 in the released code
    if step >= num_steps - width:
        return 1.0
    if step > width:
        return initial + (1 - initial) * (step + 1 - width) / (num_steps - 2 * width)
    return initial


def sample_path(seed: int, step: int, rate: float, num_stages: int) -> tuple[bool, ...]:
    """Draws which model runs each stage in this step.

    Args:
        seed: Seed of the run.
        step: Training iteration, from 0.
        rate: Probability that a stage is the student's.
        num_stages: Stages K.

    Returns:
        For each stage ``True`` if the student runs it. At least one is ``True``: otherwise one stage is chosen at
        random, because a step without a student layer would teach it nothing.

    Examples:
        >>> path = sample_path(seed=0, step=7, rate=0.5, num_stages=4)
        >>> path == sample_path(seed=0, step=7, rate=0.5, num_stages=4), any(path)
        (True, True)
    """
    rng = np.random.default_rng((seed, step))
    path = rng.random(num_stages) < rate
    if not path.any():
        path[rng.integers(num_stages)] = True
    return tuple(path.tolist())


def is_mixed_step(seed: int, step: int, share: float) -> bool:
    """Draws whether a step belongs to the share that trains mixtures of student and teacher, whatever the schedule.

    Args:
        seed: Seed of the run.
        step: Training iteration, from 0.
        share: Probability, in [0, 1].

    Raises:
        ValueError: If the share is not in [0, 1].

    Examples:
        >>> 80 < sum(is_mixed_step(0, step, 0.2) for step in range(500)) < 120
        True
    """
    if not 0 <= share <= 1:
        raise ValueError(f'mixed_share={share} is a share of the steps and must be in [0, 1]')
    return share > 0 and np.random.default_rng((seed, step, 1)).random() < share  # apart from the draws of the path
