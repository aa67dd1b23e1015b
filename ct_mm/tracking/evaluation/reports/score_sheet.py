"""The scores of several trackers on the same sequences: of all, of each, and of those that share an attribute."""
from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ct_mm.tracking.evaluation.results.saved_tracks import SavedTracks
from ct_mm.tracking.evaluation.scoring import conventions
from ct_mm.tracking.evaluation.scoring.sequence_score import FORMATS, SequenceScore


class ScoreSheet:
    """Scores every track of a :class:`SavedTracks`.

    Args:
        tracks: The tracks.
        convention: Name of the scoring convention, see :mod:`~ct_mm.tracking.evaluation.scoring.conventions`.
        benchmark: Name of the benchmark, on which the rules of some conventions depend.

    Attributes:
        trackers: Names in order.
        sequences: Names of the sequences.
        frames: Their numbers of frames, (S,).
        attributes: Numbers of the sequences by attribute, both sorted; empty where the benchmark has none.
        scores: By tracker, a ``SequenceScore`` for each sequence.
        keys: The scores that the convention has, in the order of ``FORMATS``.
        main_key: The one that the benchmark ranks trackers by: ``'success'``, or ``'ao'`` on GOT-10k.

    Raises:
        ValueError: The convention is unknown, or a server keeps the annotation to itself.
    """

    def __init__(self, tracks: SavedTracks, convention: str = 'pytracking', benchmark: str | None = None) -> None:
        secret = [sequence.name for sequence in tracks.sequences if sequence.first_box_only]
        if secret:
            raise ValueError(f'{len(secret)} of {len(tracks)} sequences, such as {secret[0]}, have no annotation but '
                             'the first box: only the server of the benchmark can score them '
                             '(tools/pack_submission.py)')
        self.convention, self.benchmark = conventions.get(convention), benchmark
        self.trackers, self.left_out = tracks.trackers, tracks.left_out
        self.sequences = [sequence.name for sequence in tracks.sequences]
        self.frames = np.array([len(sequence) for sequence in tracks.sequences])
        names = sorted({attribute for sequence in tracks.sequences for attribute in sequence.attributes or ()})
        self.attributes: dict[str, list[int]] = {
            name: [number for number, sequence in enumerate(tracks.sequences) if name in (sequence.attributes or ())]
            for name in names
        }
        self.scores: dict[str, list[SequenceScore]] = {
            tracker: [
                conventions.score_sequence(boxes, sequence.boxes, sequence.visible, sequence.image_size, convention,
                                           benchmark, sequence.name)
                for boxes, sequence in zip(tracks.boxes[tracker], tracks.sequences)
            ] for tracker in tracks.trackers
        }
        summaries = [self.summary(tracker) for tracker in self.trackers]
        self.keys = tuple(key for key in FORMATS if all(key in summary for summary in summaries))
        self.main_key = 'ao' if self.convention.pools_frames else self.keys[0]

    def summary(self, tracker: str, numbers: Sequence[int] | None = None) -> dict[str, float]:
        """The benchmark's scores of one tracker, over all sequences or over some; without those that there are not."""
        return conventions.summarize(self._select(tracker, numbers), self.convention.name)

    def curves(self, tracker: str, numbers: Sequence[int] | None = None) -> dict[str, np.ndarray]:
        """The benchmark's curves of one tracker as fractions, each at ``convention.thresholds``."""
        return conventions.mean_curves(self._select(tracker, numbers), self.convention.name)

    def each(self, tracker: str, key: str) -> np.ndarray:
        """One score of every sequence, (S,); NaN where no frame counts."""
        return np.array([score.numbers().get(key, np.nan) for score in self.scores[tracker]], dtype=np.float64)

    def weights(self, tracker: str, key: str) -> np.ndarray:
        """How much each sequence counts in a score of the benchmark, (S,); the score is the mean so weighted."""
        scores = self.scores[tracker]
        if key not in self.convention.thresholds or self.convention.pools_frames:  # over frames, not over sequences
            return np.array([len(score.ious) for score in scores], np.float64)
        if self.convention.drops_empty:
            return np.array([score.curves[key].any() for score in scores], np.float64)
        return np.ones(len(scores))

    def rank(self, key: str) -> list[str]:
        """The trackers, the best first; of equals the first named."""
        return sorted(self.trackers, key=lambda tracker: -self.summary(tracker)[key])

    def check_key(self, key: str | None) -> str:
        """The score to compare by: the one given, or the main one.

        Raises:
            ValueError: The convention has no such score.
        """
        if key is None:
            return self.main_key
        if key not in self.keys:
            raise ValueError(f'the convention {self.convention.name!r} has no {key!r}, but {", ".join(self.keys)}')
        return key

    def describe(self) -> str:
        """How many sequences and frames were scored, by which rules, and what was left out."""
        text = (f'{len(self.sequences)} sequences, {int(self.frames.sum())} frames. '
                f'{self.convention.describe(self.benchmark)}')
        if self.left_out:
            listing = ', '.join(f'{name} ({", ".join(lacking)})' for name, lacking in self.left_out.items())
            text += (f'\n\n**Not the benchmark: {len(self.left_out)} of {len(self.left_out) + len(self.sequences)} '
                     f'sequences are left out**, because a tracker has no track of them: {listing}.')
        return text

    def _select(self, tracker: str, numbers: Sequence[int] | None) -> list[SequenceScore]:
        scores = self.scores[tracker]
        return list(scores) if numbers is None else [scores[number] for number in numbers]
