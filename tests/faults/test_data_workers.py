"""A data worker that dies or fails says at which sample."""
import os
import signal

import numpy as np
import pytest

from ct_mm.engine.loops.data_workers import deaths_explained
from ct_mm.registry import DATASETS
from ct_mm.tracking.datasets.pairs import DrawSampler, PairDataset


class Source:
    """Pairs of made-up frames; ``act`` is called while a pair is made, ``draw`` when it is only chosen."""

    act = staticmethod(lambda draw: None)

    def draw_pair(self, rng):
        number = int(rng.integers(1000))
        side = dict(img=np.zeros((40, 40, 3), np.uint8), bbox=np.array([10., 10, 20, 20]))
        return dict(template=side, search=dict(side), source=[f'video/{number:04d}.jpg'], number=number)


class Acts:
    """A transform."""

    def __call__(self, results):
        Source.act(results['number'])
        return dict(inputs=results['number'])


@pytest.fixture
def pairs(monkeypatch):
    for module in (Source, ):
        DATASETS.register_module(module=module, force=True)
    dataset = PairDataset(sources=[dict(type='ct_mm.Source')], pipeline=[Acts()], pairs_per_epoch=8, seed=5)
    numbers = [dataset[draw]['inputs'] for draw in range(8)]

    def load(act):
        monkeypatch.setattr(Source, 'act', staticmethod(lambda number: act() if number == numbers[6] else None))
        from torch.utils.data import DataLoader
        loader = DataLoader(dataset, batch_size=2, num_workers=1, sampler=DrawSampler(dataset), collate_fn=list)
        with deaths_explained(loader):
            for _ in loader:
                pass

    load.file = f'video/{numbers[6]:04d}.jpg'
    return load


def test_a_worker_that_is_killed(pairs):
    with pytest.raises(RuntimeError, match=r'(killed by signal: Killed|exited unexpectedly)\. It was making draw 6 '
                                           rf'\(seed 5\) of {pairs.file}\. If the machine ran out of memory .* lower'):
        pairs(lambda: os.kill(os.getpid(), signal.SIGKILL))


def test_a_worker_that_just_ends(pairs):
    with pytest.raises(RuntimeError, match=rf'exited unexpectedly.* making draw 6 \(seed 5\) of {pairs.file}'):
        pairs(lambda: os._exit(3))


@pytest.mark.parametrize('error', [ValueError('no such thing'), KeyError('img'), RuntimeError('cannot')])
def test_a_transform_that_fails_keeps_its_error_and_names_the_draw(pairs, error):
    def fail():
        raise error

    with pytest.raises(type(error), match=rf'seed 5, draw 6, made of {pairs.file}'):
        pairs(fail)


def test_other_errors_and_other_data_sets_are_left_alone(pairs):
    class Loader:
        dataset = range(3)

    with pytest.raises(RuntimeError, match='^out of CUDA memory$'), deaths_explained(Loader):
        raise RuntimeError('out of CUDA memory')
    with pytest.raises(RuntimeError, match='making something that its dataset does not name'), deaths_explained(Loader):
        raise RuntimeError('DataLoader worker (pid(s) 12, 13) exited unexpectedly')
