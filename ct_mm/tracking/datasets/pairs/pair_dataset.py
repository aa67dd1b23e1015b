"""PairDataset: template and search crops; each pair is a pure function of (seed, draw)."""
import logging
from collections import Counter
from collections.abc import Sequence

import cv2
import numpy as np
from mmengine.dataset import Compose
from mmengine.logging import print_log
from torch.utils.data import DataLoader, Dataset, get_worker_info

from ct_mm.registry import DATASETS
from ct_mm.tracking.datasets.reading import BadFrameError

from .bad_frames import BadFrames
from .draw_sampler import DrawSampler
from .worker_memory import AtWork


@DATASETS.register_module()
class PairDataset(Dataset):
    """Draws pairs from one or more sources and runs a pipeline over them.

    ``dataset[draw]`` takes all randomness from ``numpy.random.default_rng((seed, draw))``, so a pair does not depend on
    earlier draws, on the number of workers, or on the rank. ``draw`` continues to count across epochs (see
    ``DrawSampler``), so no epoch repeats another; a training replaces any other sampler by it.

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
        self._refused = Counter()  # by sequence: pairs refused since the last that was usable
        self._cumulative = np.cumsum(ratios) / np.sum(ratios)  # (number of sources,)
        self._cumulative[-1] = 1.0  # rounding may make it slightly smaller

    def __len__(self) -> int:
        return self.pairs_per_epoch

    @property
    def full_init(self) -> None:
        """What MMEngine's dataset wrappers call, and a data loader does not need.

        Raises:
            AttributeError: Always; names the way out.
        """
        raise AttributeError('a PairDataset takes no ConcatDataset or RepeatDataset around it: give it all data as '
                             '`sources`, weigh them by `ratios`, and set pairs_per_epoch')

    def prepare_loader(self, loader: DataLoader) -> bool:
        """Puts a ``DrawSampler`` in the place of any other sampler, with which each epoch would have the same pairs.

        Args:
            loader: A loader of this dataset.

        Returns:
            Whether its sampler was exchanged.

        Raises:
            ValueError: If its batch sampler has no sampler.
        """
        sampler = loader.sampler if loader.batch_sampler is None else getattr(loader.batch_sampler, 'sampler', None)
        if sampler is None:
            raise ValueError(f'{type(loader.batch_sampler).__name__} would draw the same pairs in each epoch: set '
                             f"train_dataloader.sampler = dict(type='ct_mm.DrawSampler') and no batch_sampler")
        if isinstance(sampler, DrawSampler):
            return False
        print_log(f'ct_mm.DrawSampler replaces {type(sampler).__name__}, which would draw the same pairs in each epoch',
                  'current', logging.WARNING)
        sampler = DrawSampler(self)
        if loader.batch_sampler is not None:
            loader.batch_sampler.sampler = sampler
        object.__setattr__(loader, 'sampler', sampler)  # torch guards it, for loaders at work
        return True

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
        number = int(np.searchsorted(self._cumulative, rng.random(), side='right'))
        source = self.sources[number]
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
            name = getattr(results.get('sequence'), 'name', None)
            if packed is not None:
                self._refused[name] = 0
                return packed
            self._refused[name] += 1
            if name and self._refused[name] == self.max_tries:
                print_log(f'PairDataset: sequence {name} of sources[{number}] gave no usable pair in {self.max_tries} '
                          f'tries, the last one from {results["source"]}: check its annotation', 'current',
                          logging.WARNING)
        raise RuntimeError(f'PairDataset: no usable pair in {self.max_tries} tries (seed {self.seed}, draw {draw}) of '
                           f'sources[{number}], {type(source).__name__}; {last}. Check its annotation, or reduce the '
                           f'jitter of ct_mm.CropPair')
