"""The replacement rate and the path: pure functions of the step.

Pure, because a resumed run then has the same rate and the same path with no state saved, and every
rank draws the same path without a word between them.

References:
    CompressTracker, arXiv 2409.17564, section 3.3, equation 1. The paper prints slope p_init where
    1 - p_init is meant; the two agree only at its value of 0.5. The steps are the released code's.
"""
from __future__ import annotations

import numpy as np

#: Ways in which the replacement rate may run.
SCHEDULES = ('three_phase', 'linear', 'constant')


def replacement_rate(step: int, num_steps: int, schedule: str = 'three_phase', initial: float = 0.5,
                     hold: float = 0.1) -> float:
    """Probability that a stage is run by the student.

    Args:
        step: Steps already done, from 0. A step is an epoch in the paper, but may be an iteration.
        num_steps: Steps of the whole training.
        schedule: ``three_phase`` holds ``initial``, then rises linearly, then stays at 1;
            ``linear`` rises from ``initial`` at the first step to 1 at the last; ``constant`` stays at
            ``initial``.
        initial: Rate of the first step.
        hold: Part of the training that the first and the last of the three phases take each.

    Returns:
        A rate in [0, 1].

    Raises:
        ValueError: If an argument is outside its range.
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
        For each stage ``True`` if the student runs it. At least one is ``True``: if the draw gave none,
        one stage is forced at random, because a step without a student layer would teach it nothing.
    """
    rng = np.random.default_rng((seed, step))
    path = rng.random(num_stages) < rate
    if not path.any():
        path[rng.integers(num_stages)] = True
    return tuple(path.tolist())
