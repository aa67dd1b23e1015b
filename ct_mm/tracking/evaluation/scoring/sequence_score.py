"""What one sequence scores."""
from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ct_mm.tracking.evaluation.scoring.got10k_toolkit import got10k_scores
from ct_mm.tracking.evaluation.scoring.success import read_scores

#: All scores, and how they are written: success and precisions in percent, overlaps as fractions.
FORMATS = dict(success='.2f', precision='.2f', norm_precision='.2f', ao='.3f', sr50='.3f', sr75='.3f')


@dataclass(frozen=True)
class SequenceScore:
    """The scores of one track in one convention, and what they are read from.

    Attributes:
        name: Name of the sequence, or None.
        frames: Number of its frames.
        curves: Shares of frames by curve: ``success``, ``precision`` and ``norm_precision``, as far as the convention
            has them; their thresholds are the convention's.
        ious: (M,), IoU of the frames that count in GOT-10k's convention; M may be 0.
    """

    name: str | None
    frames: int
    curves: dict[str, np.ndarray]
    ious: np.ndarray

    @property
    def success(self) -> float | None:
        """Area under the success curve, in percent."""
        return self.numbers().get('success')

    @property
    def precision(self) -> float | None:
        """Share of frames within 20 pixels, in percent; None if the convention has no such curve."""
        return self.numbers().get('precision')

    @property
    def norm_precision(self) -> float | None:
        """Share of frames within 0.2 of the annotated size, in percent; None if the convention has no such curve."""
        return self.numbers().get('norm_precision')

    @property
    def ao(self) -> float | None:
        """Average overlap of the frames that count, a fraction; None if there is none."""
        return self.numbers().get('ao')

    @property
    def sr50(self) -> float | None:
        """Share of the frames that count with an overlap above 0.5; None if there is none."""
        return self.numbers().get('sr50')

    @property
    def sr75(self) -> float | None:
        """Share of the frames that count with an overlap above 0.75; None if there is none."""
        return self.numbers().get('sr75')

    def numbers(self) -> dict[str, float]:
        """All of these by name, without those that there are not."""
        return {**read_scores(self.curves), **(got10k_scores(self.ious) if len(self.ious) else {})}
