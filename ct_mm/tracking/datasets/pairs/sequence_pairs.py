"""SequencePairs: draws training pairs from annotated sequences."""
import functools

import numpy as np
from mmengine.logging import print_log

from ct_mm.registry import DATASETS
from ct_mm.tracking.datasets.reading.jpeg import decoder_name
from ct_mm.tracking.transforms.load_pair import LoadPair
from ct_mm.tracking.transforms.sample_pair import SamplePair


@DATASETS.register_module()
class SequencePairs:
    """A source of pairs for ``PairDataset``: frames of one annotated sequence.

    The sequence is drawn uniformly, the frames by ``SamplePair``. The name of the JPEG decoder is logged.

    Args:
        dataset: Config of a dataset with ``get_sequence(i) -> FrameSequence``, such as ``ct_mm.SequenceFolder``. With
            ``test_mode=False`` it skips sequences that it cannot read instead of raising an error.
        max_gap: Largest distance between template and search frame, in frames. Defaults to 200.
        num_templates: Number of template frames. Defaults to 1.
        min_frames: Videos with fewer frames are skipped. Defaults to 2.
        min_visible: Videos with fewer visible frames are skipped. Defaults to 2.
        partial: Whether to decode only the part of a frame that the crop needs. The pairs are the same either way.
            Defaults to True.
        causal: Whether the search frame comes after the templates; otherwise see ``SamplePair``. Defaults to True.
        task: Number of the task that these pairs belong to, for a tracker that learns to tell tasks apart. Default: no
            task.
    """

    def __init__(self, dataset: dict, max_gap: int = 200, num_templates: int = 1, min_frames: int = 2,
                 min_visible: int = 2, partial: bool = True, causal: bool = True, task: int | None = None) -> None:
        self.dataset = DATASETS.build(dataset)
        self._sample = SamplePair(max_gap, num_templates, min_frames, min_visible, causal)
        self._load, self.task = LoadPair(partial), task
        _tell_decoder()

    def draw_pair(self, rng: np.random.Generator) -> dict | None:
        """Returns one pair in the format of ``LoadPair``, or None if the drawn sequence has no suitable frames."""
        sequence = self.dataset.get_sequence(int(rng.integers(len(self.dataset))))
        results = self._sample(dict(rng=rng, sequence=sequence))
        if results is None:
            return None
        return self._load(results) if self.task is None else dict(self._load(results), task=self.task)


@functools.cache
def _tell_decoder() -> None:
    print_log(f'training pairs: {decoder_name()}', logger='current')
