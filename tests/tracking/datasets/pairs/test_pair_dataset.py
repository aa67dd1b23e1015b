"""Pairs as functions of (seed, draw), and how ranks share them."""
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from mmengine.dataset import pseudo_collate
from mmengine.runner import Runner
from torch.utils.data import DataLoader

from ct_mm.engine.loops.data_workers import prepare_data
from ct_mm.registry import DATA_SAMPLERS, DATASETS
from ct_mm.tracking.datasets.pairs import draw_sampler, pair_dataset
from ct_mm.tracking.datasets.pairs.pair_dataset import PairDataset

PIPELINE = [
    dict(type='ct_mm.PairGrayscale', prob=0.3),
    dict(type='ct_mm.PairFlip'),
    dict(type='ct_mm.CropPair', template_size=32, search_size=64),
    dict(type='ct_mm.PairBrightness'),
    dict(type='ct_mm.PackTrackInputs')
]


class Marked:
    """A source whose images are filled with one number, which its source names."""

    def __init__(self, value=0):
        self.value = value

    def draw_pair(self, rng):
        side = dict(img=np.full((40, 50, 3), self.value, np.uint8), bbox=np.array([20., 10., 9., 8.]))
        return dict(template=dict(side), search=dict(side), source=[str(self.value)])


class Barren:
    """A source that never has a pair."""

    def draw_pair(self, rng):
        return None


def assert_equal(first, second):
    for name in ('template', 'search'):
        assert torch.equal(first['inputs'][name], second['inputs'][name])
    one, two = first['data_samples'], second['data_samples']
    assert torch.equal(one.gt_instances.bboxes, two.gt_instances.bboxes)
    assert one.source == two.source


def test_a_pair_depends_on_seed_and_draw_alone(composites):
    dataset, again, other = (
        PairDataset([composites()], PIPELINE, pairs_per_epoch=4, seed=seed) for seed in (5, 5, 6))
    backwards = {draw: again[draw] for draw in (9, 2, 0)}
    for draw in (0, 2, 9):  # 9 lies in a later epoch
        assert_equal(dataset[draw], backwards[draw])
    assert not torch.equal(dataset[0]['inputs']['search'], other[0]['inputs']['search'])
    assert not torch.equal(dataset[0]['inputs']['search'], dataset[4]['inputs']['search'])


def test_pairs_do_not_depend_on_the_number_of_workers(composites):
    dataset = PairDataset([composites()], PIPELINE, pairs_per_epoch=8)
    batches = [
        list(DataLoader(dataset, 2, sampler=draw_sampler.DrawSampler(dataset), num_workers=workers,
                        collate_fn=pseudo_collate)) for workers in (0, 2)]
    assert len(batches[0]) == len(batches[1]) == 4
    for first, second in zip(*batches):
        for name in ('template', 'search'):
            assert torch.equal(torch.stack(first['inputs'][name]), torch.stack(second['inputs'][name]))
        for one, two in zip(first['data_samples'], second['data_samples']):
            assert torch.equal(one.gt_instances.bboxes, two.gt_instances.bboxes)


def test_the_loader_that_mmengine_builds_draws_new_pairs_each_epoch(composites):
    loader = Runner.build_dataloader(
        dict(
            batch_size=3,
            num_workers=0,
            sampler=dict(type='ct_mm.DrawSampler'),
            dataset=dict(type='ct_mm.PairDataset', sources=[composites()], pipeline=PIPELINE, pairs_per_epoch=6)),
        seed=0)
    epochs = []
    for epoch in (0, 1, 0):
        loader.sampler.set_epoch(epoch)
        epochs.append(torch.cat([torch.stack(batch['inputs']['search']) for batch in loader]))  # (6, 3, 64, 64)
    assert torch.equal(epochs[0], epochs[2])
    assert not any(torch.equal(one, two) for one in epochs[0] for two in epochs[1])


def test_sources_are_mixed_by_their_ratios(toy_source):
    config = toy_source(Marked)
    dataset = PairDataset([dict(config, value=1), dict(config, value=2), dict(config, value=3)],
                          PIPELINE, ratios=[3, 0, 1])
    counts = np.bincount([int(dataset[draw]['data_samples'].source[0]) for draw in range(400)], minlength=4)
    assert counts[2] == 0
    assert 260 < counts[1] < 340


def test_a_source_without_pairs_is_an_error_that_names_the_draw(toy_source):
    dataset = PairDataset([toy_source(Barren)], PIPELINE, seed=3, max_tries=5)
    with pytest.raises(RuntimeError, match=r'no usable pair in 5 tries \(seed 3, draw 7\).*Barren'):
        dataset[7]


def test_a_pipeline_that_rejects_everything_is_an_error_that_names_the_files(toy_source):
    refuse = dict(type='ct_mm.CropPair', template_size=1, search_size=1, search_factor=200)
    dataset = PairDataset([dict(toy_source(Marked), value=9)], [refuse], max_tries=5)
    with pytest.raises(RuntimeError, match=r"5 tries.*\['9'\].*CropPair"):
        dataset[0]


@pytest.mark.parametrize('arguments, message', [
    (dict(sources=[]), 'sources is empty'),
    (dict(ratios=[1, 2]), r'ratios=\[1, 2\] must hold one number'),
    (dict(ratios=[0]), 'at least one > 0'),
    (dict(pairs_per_epoch=0), 'pairs_per_epoch must be at least 1'),
])
def test_wrong_arguments_are_named(toy_source, arguments, message):
    with pytest.raises(ValueError, match=message):
        PairDataset(**dict(dict(sources=[toy_source(Marked)], pipeline=PIPELINE), **arguments))


@pytest.mark.parametrize('length, world_size', [(8, 1), (8, 2), (7, 3), (2, 4)])
def test_ranks_share_an_epoch_and_epochs_do_not_repeat(monkeypatch, length, world_size):
    epochs = {0: [], 3: []}
    for rank in range(world_size):
        monkeypatch.setattr(draw_sampler, 'get_dist_info', lambda rank=rank: (rank, world_size))
        sampler = DATA_SAMPLERS.build(
            dict(type='ct_mm.DrawSampler', shuffle=True), default_args=dict(dataset=range(length), seed=1))
        for epoch in epochs:
            sampler.set_epoch(epoch)
            drawn = list(sampler)
            assert len(drawn) == len(sampler) == -(-length // world_size)
            epochs[epoch] += drawn
    for epoch, drawn in epochs.items():
        assert set(drawn) == set(range(epoch * length, (epoch + 1) * length))
        assert len(drawn) - length < world_size  # only the last ranks repeat draws


@pytest.mark.parametrize('workers', [0, 1, 3])
def test_ranks_and_workers_and_resumed_runs_draw_what_one_process_draws(monkeypatch, composites, workers):
    def epochs(rank, world_size, workers, first=0):
        """{draw number: search image} of each epoch from ``first`` to 2, each in its own loader."""
        monkeypatch.setattr(draw_sampler, 'get_dist_info', lambda: (rank, world_size))
        dataset = PairDataset([composites()], PIPELINE, pairs_per_epoch=8, seed=3)
        sampler = draw_sampler.DrawSampler(dataset)
        loader = DataLoader(dataset, 2, sampler=sampler, num_workers=workers, collate_fn=pseudo_collate,
                            persistent_workers=workers > 0)
        for epoch in range(first, 3):
            sampler.set_epoch(epoch)
            images = [image for batch in loader for image in batch['inputs']['search']]
            yield dict(zip(sampler, images, strict=True))

    alone = list(epochs(0, 1, 0))
    ranks = [list(epochs(rank, 2, workers)) for rank in range(2)]
    for epoch in range(3):
        assert not ranks[0][epoch].keys() & ranks[1][epoch].keys()
        together = {**ranks[0][epoch], **ranks[1][epoch]}
        assert together.keys() == alone[epoch].keys() == set(range(8 * epoch, 8 * epoch + 8))
        assert all(torch.equal(image, alone[epoch][draw]) for draw, image in together.items())
    for rank in range(2):
        resumed = next(epochs(rank, 2, workers, first=2))
        assert resumed.keys() == ranks[rank][2].keys()
        assert all(torch.equal(image, ranks[rank][2][draw]) for draw, image in resumed.items())


@pytest.mark.parametrize('sampler', [dict(type='DefaultSampler', shuffle=True), dict(type='DefaultSampler'),
                                     dict(type='InfiniteSampler')])
@pytest.mark.parametrize('workers', [0, 2])
def test_whatever_the_sampler_a_training_draws_anew_each_epoch(composites, sampler, workers):
    def epochs(sampler, first=0):
        loader = Runner.build_dataloader(
            dict(batch_size=2, num_workers=workers, persistent_workers=workers > 0, sampler=sampler,
                 collate_fn=dict(type='pseudo_collate'),
                 dataset=dict(type='ct_mm.PairDataset', sources=[composites()], pipeline=PIPELINE, pairs_per_epoch=6)),
            seed=0)
        prepare_data(loader)
        for epoch in range(first, 3):
            loader.sampler.set_epoch(epoch)
            yield torch.cat([torch.stack(batch['inputs']['search']) for batch in loader])  # (6, 3, 64, 64)

    drawn = list(epochs(sampler))
    assert all(torch.equal(*pair) for pair in zip(drawn, epochs(dict(type='ct_mm.DrawSampler')), strict=True))
    assert torch.equal(next(epochs(sampler, first=2)), drawn[2]), 'a resumed training'
    assert not any(torch.equal(one, two) for one in drawn[0] for two in drawn[1])


def test_a_batch_sampler_without_a_sampler_is_refused(composites):
    dataset = PairDataset([composites()], PIPELINE, pairs_per_epoch=4)
    with pytest.raises(ValueError, match=r'list would draw the same pairs in each epoch.*ct_mm\.DrawSampler'):
        prepare_data(DataLoader(dataset, batch_sampler=[[0, 1], [2, 3]]))


@pytest.mark.parametrize('wrapper', [dict(type='ConcatDataset'), dict(type='RepeatDataset', times=2)])
def test_wrappers_around_it_name_the_way_out(composites, wrapper):
    inner = dict(type='ct_mm.PairDataset', sources=[composites()], pipeline=PIPELINE, pairs_per_epoch=4)
    wrapper = dict(wrapper, **(dict(datasets=[inner]) if wrapper['type'] == 'ConcatDataset' else dict(dataset=inner)))
    with pytest.raises(AttributeError, match='`sources`.*`ratios`'):
        DATASETS.build(wrapper)


def test_a_source_without_pairs_is_named_among_others(toy_source):
    config = toy_source(Marked)
    dataset = PairDataset([config, toy_source(Barren)], PIPELINE, ratios=[0, 1], max_tries=5)
    with pytest.raises(RuntimeError, match=r'no usable pair in 5 tries \(seed 0, draw 0\) of sources\[1\], Barren'):
        dataset[0]


def test_a_sequence_whose_pairs_are_all_refused_is_named_once(toy_source, monkeypatch):
    class Mixed:
        """Frames of two sequences; the boxes of one lie outside of its frames."""

        def draw_pair(self, rng):
            outside = bool(rng.integers(2))
            side = dict(img=np.zeros((40, 50, 3), np.uint8), bbox=np.array([20. + 100 * outside, 10., 9., 8.]))
            return dict(template=dict(side), search=dict(side), source=[f'{outside}.jpg'],
                        sequence=SimpleNamespace(name='outside' if outside else 'inside'))

    told = []
    monkeypatch.setattr(pair_dataset, 'print_log', lambda text, *_: told.append(text))
    dataset = PairDataset([toy_source(Mixed)], PIPELINE, max_tries=20)
    for draw in range(60):
        dataset[draw]
    assert len(told) == 1
    assert 'sequence outside of sources[0] gave no usable pair in 20 tries' in told[0] and 'True.jpg' in told[0]
