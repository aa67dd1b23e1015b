"""Scores of one sequence."""
from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ct_mm.tracking.evaluation.scoring.got10k_toolkit import got10k_scores
from ct_mm.tracking.evaluation.scoring.success import read_scores

#: Number format of each score: success and precisions are percentages, overlaps are fractions.
FORMATS = dict(success='.2f', precision='.2f', norm_precision='.2f', ao='.3f', sr50='.3f', sr75='.3f')


def _number(key: str, doc: str) -> property:
    return property(lambda self: self.numbers().get(key), doc=doc)


@dataclass(frozen=True)
class SequenceScore:
    """Curves and scores of one track in one convention.

    Attributes:
        name: Name of the sequence, or None.
        frames: Number of frames of the sequence.
        curves: Fractions of frames at the convention's thresholds by curve: ``success``, ``precision`` and
            ``norm_precision``, if the convention defines them.
        ious: IoU of the frames that GOT-10k's convention scores, (M,); M can be 0.
    """

    name: str | None
    frames: int
    curves: dict[str, np.ndarray]
    ious: np.ndarray

    success = _number('success', 'Area under the success curve, in percent.')
    precision = _number('precision', 'Percentage of frames within 20 pixels; None if the convention lacks the curve.')
    norm_precision = _number('norm_precision', 'Percentage of frames within 0.2 of the annotated size, or None.')
    ao = _number('ao', 'Average overlap of the scored frames, a fraction; None if there are none.')
    sr50 = _number('sr50', 'Fraction of the scored frames with an overlap above 0.5; None if there are none.')
    sr75 = _number('sr75', 'Fraction of the scored frames with an overlap above 0.75; None if there are none.')

    def numbers(self) -> dict[str, float]:
        """Returns the defined scores by name."""
        return {**read_scores(self.curves), **(got10k_scores(self.ious) if len(self.ious) else {})}
