"""SequencePairs: training pairs from annotated sequences."""

import numpy as np

from ct_mm.registry import DATASETS
from ct_mm.tracking.transforms.load_pair import LoadPair
from ct_mm.tracking.transforms.sample_pair import SamplePair


@DATASETS.register_module()
class SequencePairs:
    """A source of pairs for ``PairDataset``: two frames of one annotated sequence.

    The sequence is drawn uniformly, the frames by ``SamplePair``.

    Args:
        dataset: Config of a dataset with ``get_sequence(i) -> FrameSequence``, e.g. ``ct_mm.SequenceFolder``.
        max_gap: Largest distance of the two frames. Defaults to 200.
    """

    def __init__(self, dataset: dict, max_gap: int = 200) -> None:
        self.dataset = DATASETS.build(dataset)
        self._sample, self._load = SamplePair(max_gap), LoadPair()

    def draw_pair(self, rng: np.random.Generator) -> dict | None:
        """One pair as ``LoadPair`` gives it, or None if the drawn sequence has no two visible frames."""
        sequence = self.dataset.get_sequence(int(rng.integers(len(self.dataset))))
        results = self._sample(dict(rng=rng, sequence=sequence))
        return None if results is None else self._load(results)
