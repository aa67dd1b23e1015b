"""NearbyPairs: draws training pairs from annotated sequences, forwards and backwards in time."""
from __future__ import annotations

import numpy as np

from ct_mm.registry import DATASETS
from ct_mm.tracking.transforms.load_pair import LoadPair


@DATASETS.register_module()
class NearbyPairs:
    """A source of pairs for ``PairDataset``: two different visible frames of one sequence that lie near each other.

    The sequence is drawn uniformly, the template frame uniformly from its visible frames that have another one within
    ``max_gap``, before or after it, and the search frame uniformly from those. A photograph is both. Source: LoRAT
    (arXiv 2403.05231), its authors' code.

    Args:
        dataset: Config of a dataset with ``get_sequence(i) -> FrameSequence``.
        max_gap: Largest distance between the frames. Defaults to 100.

    Raises:
        ValueError: ``max_gap`` is below 1.
    """

    def __init__(self, dataset: dict, max_gap: int = 100) -> None:
        if max_gap < 1:
            raise ValueError(f'NearbyPairs: max_gap must be at least 1, got {max_gap}')
        self.dataset, self.max_gap, self._load = DATASETS.build(dataset), max_gap, LoadPair()

    def draw_pair(self, rng: np.random.Generator) -> dict | None:
        """Returns one pair in the format of ``LoadPair``, or None if the drawn sequence has no suitable frames."""
        sequence = self.dataset.get_sequence(int(rng.integers(len(self.dataset))))
        frames = self._draw(np.flatnonzero(sequence.visible), sequence.is_still, rng)
        return None if frames is None else self._load(dict(rng=rng, sequence=sequence, frame_ids=frames))

    def _draw(self, visible: np.ndarray, still: bool, rng: np.random.Generator) -> tuple[int, int] | None:
        """Returns the numbers of the template and of the search frame."""
        if still:
            return (0, 0) if len(visible) else None
        begin = np.searchsorted(visible, visible - self.max_gap)  # (V,), frames near visible[i] are [begin[i], end[i])
        end = np.searchsorted(visible, visible + self.max_gap, side='right')  # (V,)
        usable = np.flatnonzero(end - begin > 1)
        if not len(usable):
            return None
        first = int(usable[rng.integers(len(usable))])
        second = int(rng.integers(begin[first], end[first] - 1))
        return int(visible[first]), int(visible[second + (second >= first)])
