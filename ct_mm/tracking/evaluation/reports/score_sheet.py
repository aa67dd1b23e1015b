"""Scores several trackers on the same sequences: overall, by sequence and by attribute."""
from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ct_mm.tracking.evaluation.results.saved_tracks import SavedTracks
from ct_mm.tracking.evaluation.scoring import conventions
from ct_mm.tracking.evaluation.scoring.sequence_score import FORMATS, SequenceScore


class ScoreSheet:
    """Scores every track of a :class:`SavedTracks`.

    Args:
        tracks: The tracks to score.
        convention: Name of the scoring convention, see :mod:`~ct_mm.tracking.evaluation.scoring.conventions`.
        benchmark: Name of the benchmark, on which the rules of some conventions depend.

    Attributes:
        trackers: Names of the trackers in order.
        sequences: Names of the sequences.
        frames: Number of frames of each sequence, (S,).
        attributes: Indices of sequences by attribute, both sorted; empty if the benchmark has no attributes.
        scores: A ``SequenceScore`` for each sequence, by tracker.
        keys: Scores that the convention defines, in the order of ``FORMATS``.
        main_key: Score by which the benchmark ranks trackers: ``'success'``, or ``'ao'`` on GOT-10k.

    Raises:
        ValueError: The convention is unknown, or the annotation of a sequence is not public.
    """

    def __init__(self, tracks: SavedTracks, convention: str = 'pytracking', benchmark: str | None = None) -> None:
        secret = [sequence.name for sequence in tracks.sequences if sequence.first_box_only]
        if secret:
            raise ValueError(f'{len(secret)} of {len(tracks)} sequences, such as {secret[0]}, have a public annotation '
                             "only in the first frame; only the benchmark's server can score them "
                             '(tools/pack_submission.py)')
        self.convention, self.benchmark = conventions.get(convention), benchmark
        self.trackers, self.left_out = tracks.trackers, tracks.left_out
        self.sequences = [sequence.name for sequence in tracks.sequences]
        self.frames = np.array([len(sequence) for sequence in tracks.sequences])
        self.attributes = group_by_attribute([sequence.attributes for sequence in tracks.sequences])
        self.scores: dict[str, list[SequenceScore]] = {
            tracker: [conventions.score_sequence(boxes, sequence.boxes, sequence.visible, sequence.image_size,
                                                 convention, benchmark, sequence.name)
                      for boxes, sequence in zip(tracks.boxes[tracker], tracks.sequences)]
            for tracker in tracks.trackers}
        summaries = [self.summary(tracker) for tracker in self.trackers]
        self.keys = tuple(key for key in FORMATS if all(key in summary for summary in summaries))
        self.main_key = 'ao' if self.convention.pools_frames else self.keys[0]

    def summary(self, tracker: str, numbers: Sequence[int] | None = None) -> dict[str, float]:
        """Returns the benchmark's scores of a tracker that are defined, over all or the given sequences."""
        return conventions.summarize(self._select(tracker, numbers), self.convention.name)

    def curves(self, tracker: str, numbers: Sequence[int] | None = None) -> dict[str, np.ndarray]:
        """Returns the benchmark's curves of a tracker as fractions at ``convention.thresholds``."""
        return conventions.mean_curves(self._select(tracker, numbers), self.convention.name)

    def each(self, tracker: str, key: str) -> np.ndarray:
        """Returns a score of every sequence, (S,); NaN if no frame of it is scored."""
        return np.array([score.numbers().get(key, np.nan) for score in self.scores[tracker]], dtype=np.float64)

    def weights(self, tracker: str, key: str) -> np.ndarray:
        """Returns the weight of each sequence in the benchmark's score, which is their weighted mean, (S,)."""
        scores = self.scores[tracker]
        if key not in self.convention.thresholds or self.convention.pools_frames:  # over frames, not over sequences
            return np.array([len(score.ious) for score in scores], np.float64)
        if self.convention.drops_empty:
            return np.array([score.curves[key].any() for score in scores], np.float64)
        return np.ones(len(scores))

    def rank(self, key: str) -> list[str]:
        """Returns the trackers from best to worst; ties keep their order."""
        return sorted(self.trackers, key=lambda tracker: -self.summary(tracker)[key])

    def check_key(self, key: str | None) -> str:
        """Returns the given score, or the main score for None, after checking that the convention defines it.

        Raises:
            ValueError: The convention has no such score.
        """
        if key is None:
            return self.main_key
        if key not in self.keys:
            raise ValueError(f'the convention {self.convention.name!r} has {", ".join(self.keys)}, not {key!r}')
        return key

    def describe(self) -> str:
        """Describes the scored sequences, the rules and the sequences that were left out."""
        text = (f'{len(self.sequences)} sequences, {int(self.frames.sum())} frames. '
                f'{self.convention.describe(self.benchmark)}')
        if self.left_out:
            listing = ', '.join(f'{name} ({", ".join(lacking)})' for name, lacking in self.left_out.items())
            text += (f'\n\n**Not the benchmark: {len(self.left_out)} of {len(self.left_out) + len(self.sequences)} '
                     f'sequences are left out** because a tracker has no track of them: {listing}.')
        return text

    def _select(self, tracker: str, numbers: Sequence[int] | None) -> list[SequenceScore]:
        scores = self.scores[tracker]
        return scores if numbers is None else [scores[number] for number in numbers]


def group_by_attribute(attributes: Sequence[Sequence[str] | None]) -> dict[str, list[int]]:
    """Returns the indices of sequences by attribute, both sorted, from the attributes of each sequence."""
    return {name: [index for index, names in enumerate(attributes) if name in (names or ())]
            for name in sorted({name for names in attributes for name in names or ()})}
