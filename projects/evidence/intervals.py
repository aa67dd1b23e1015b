"""Confidence intervals that cover the choice of sequences and of seeds."""
from __future__ import annotations

from typing import NamedTuple

import numpy as np


class Interval(NamedTuple):
    """A value and its 95 % percentile bootstrap interval."""
    value: float
    low: float
    high: float


def bootstrap_ratio(student: np.ndarray, teacher: np.ndarray, frames: np.ndarray, resamples: int = 10000,
                    seed: int = 0) -> Interval:
    """Resamples the sequences, the same for both trackers, and the seeds of each tracker.

    Args:
        student: AO of each seed on each sequence (N, S).
        teacher: The same for the teacher (M, S).
        frames: Scored frames of each sequence (S,), their weights in the AO over all frames.
        resamples: How often.
        seed: Of the resampling.

    Returns:
        The student's AO divided by the teacher's, with its interval. One seed has no spread of seeds in it.
    """
    rng = np.random.default_rng(seed)
    draws = rng.multinomial(len(frames), np.full(len(frames), 1 / len(frames)), size=resamples)  # (R, S)

    def means(overlaps: np.ndarray) -> np.ndarray:
        seeds = rng.multinomial(len(overlaps), np.full(len(overlaps), 1 / len(overlaps)), size=resamples)  # (R, N)
        return (draws * (seeds @ overlaps / len(overlaps)) * frames).sum(1) / (draws * frames).sum(1)

    ratios = means(student) / np.maximum(means(teacher), 1e-9)
    value = (student.mean(0) * frames).sum() / (teacher.mean(0) * frames).sum()
    return Interval(float(value), *map(float, np.quantile(ratios, [0.025, 0.975])))
