"""PairDataset: template and search crops; each pair is a pure function of (seed, draw)."""
from collections.abc import Sequence

import cv2
import numpy as np
from mmengine.dataset import Compose
from torch.utils.data import Dataset, get_worker_info

from ct_mm.registry import DATASETS
from ct_mm.tracking.datasets.reading import BadFrameError

from .bad_frames import BadFrames
from .worker_memory import AtWork


@DATASETS.register_module()
class PairDataset(Dataset):
    """Draws pairs from one or more sources and runs a pipeline over them.

    ``dataset[draw]`` takes all randomness from ``numpy.random.default_rng((seed, draw))``, so a pair does not depend on
    earlier draws, on the number of workers, or on the rank. ``draw`` continues to count across epochs (see
    ``DrawSampler``), so no epoch repeats another.

    A frame that is missing, truncated or undecodable, or whose box has no area, is skipped: the dataset counts it, logs
    it, and draws another pair, the same one every time.

    Args:
        sources: Configs of sources. A source is any object with ``draw_pair(rng) -> dict | None``. The dict holds
            ``template`` and ``search``, each with ``img`` (H, W, 3) RGB uint8, an array or an ``ImageFile``, and
            ``bbox`` (4,) xywh in pixels; ``template`` may be a list of such dicts. It also holds ``source``, the files.
        pipeline: Transforms, which find ``rng`` in the results dict. If one returns None, another pair is drawn.
        pairs_per_epoch: Length of an epoch. Defaults to 60000, the CompressTracker recipe.
        ratios: Relative weights of the sources. Default: equal weights.
        seed: Seed of all pairs. Defaults to 0.
        max_tries: Number of tries to draw a usable pair. Defaults to 50.
        max_bad_frames: Training stops with an error if there are more bad frames than this, over all workers of this
            process. Defaults to 100.

    Raises:
        ValueError: An argument is invalid; the message names it.
    """

    metainfo: dict = {}

    def __init__(self, sources: Sequence[dict], pipeline: Sequence[dict], pairs_per_epoch: int = 60000,
                 ratios: Sequence[float] | None = None, seed: int = 0, max_tries: int = 50,
                 max_bad_frames: int = 100) -> None:
        if not sources:
            raise ValueError('PairDataset: sources is empty')
        if pairs_per_epoch < 1:
            raise ValueError(f'PairDataset: pairs_per_epoch must be at least 1, got {pairs_per_epoch}')
        ratios = [1.0] * len(sources) if ratios is None else list(ratios)
        if len(ratios) != len(sources) or min(ratios) < 0 or sum(ratios) <= 0:
            raise ValueError(f'PairDataset: ratios={ratios} must hold one number >= 0 for each of the '
                             f'{len(sources)} sources, and at least one > 0')
        self.sources = [DATASETS.build(source) for source in sources]
        self.pipeline = Compose(list(pipeline))
        self.pairs_per_epoch, self.seed, self.max_tries = pairs_per_epoch, seed, max_tries
        self.bad_frames = BadFrames(max_bad_frames)
        self.at_work = AtWork()
        self._cumulative = np.cumsum(ratios) / np.sum(ratios)  # (number of sources,)
        self._cumulative[-1] = 1.0  # rounding may make it slightly smaller

    def __len__(self) -> int:
        return self.pairs_per_epoch

    def __getitem__(self, draw: int) -> dict:
        """Returns the pair of one draw number, which may exceed the length.

        Raises:
            RuntimeError: No pair was usable in ``max_tries`` tries, or there are more than ``max_bad_frames`` bad
                frames; the message names files. Errors of sources and transforms also name the draw and its files.
        """
        if draw < 0:
            raise IndexError(f'PairDataset: draw numbers start at 0, got {draw}')
        if get_worker_info() is not None:
            cv2.setNumThreads(0)  # spawned workers do not inherit this setting
        self.at_work.note(f'draw {draw} (seed {self.seed})')
        made_of = []
        try:
            return self._make(draw, made_of)
        except Exception as error:
            if f'draw {draw})' not in str(error):
                files = ', '.join(map(str, made_of)) or 'nothing yet'
                error.args = (f'{error} (PairDataset: seed {self.seed}, draw {draw}, made of {files})', )
            raise

    def _make(self, draw: int, made_of: list) -> dict:
        """Returns the pair and sets ``made_of`` to the files of the last try."""
        rng = np.random.default_rng((self.seed, int(draw)))
        # The source is chosen before the tries, so that one with many failures keeps its share.
        source = self.sources[int(np.searchsorted(self._cumulative, rng.random(), side='right'))]
        last, failures = f'{type(source).__name__} returned none', 0
        for _ in range(self.max_tries):
            try:
                results = source.draw_pair(rng)
                if results is None:
                    continue
                made_of[:] = results['source']
                last = f'the last one was made of {results["source"]}'
                self.at_work.note(f'draw {draw} (seed {self.seed}) of {", ".join(map(str, made_of))}')
                packed = self.pipeline(dict(results, rng=rng))
            except (OSError, BadFrameError) as error:
                self.bad_frames.add(error)
                last, failures = f'the last one was bad: {error}', failures + 1
                # Start a new stream, because how many numbers were used depends on when the frame was read.
                rng = np.random.default_rng((self.seed, int(draw), failures))
                continue
            if packed is not None:
                return packed
        raise RuntimeError(f'PairDataset: no usable pair in {self.max_tries} tries (seed {self.seed}, draw {draw}); '
                           f'{last}. Check its annotation, or reduce the jitter of ct_mm.CropPair')
