"""Packed pairs are read as they were made, by any number of workers; incomplete folders are rejected."""
import json
import pickle
import shutil

import numpy as np
import pytest

from ct_mm.registry import DATASETS
from ct_mm.tracking.datasets.pairs import PackedPairs
from ct_mm.tracking.datasets.pairs.pair_packing import pack_pairs

CROP = dict(type='ct_mm.CropPair', template_size=32, search_size=64)
FINISH = [dict(type='ct_mm.PairBrightness', range=0.2), dict(type='ct_mm.PackTrackInputs')]


@pytest.fixture
def dataset(composites):
    return dict(type='ct_mm.PairDataset', sources=[composites()], pipeline=[CROP, *FINISH], seed=3)


def files(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_the_pairs_are_those_of_the_dataset_and_a_training_reads_them(dataset, tmp_path):
    assert pack_pairs(dataset, tmp_path / 'pairs', 7, pairs_per_shard=3) == 7
    packed = PackedPairs(tmp_path / 'pairs')
    rendered = DATASETS.build(dict(dataset, pipeline=[CROP]))
    assert len(packed) == 7
    for draw in range(7):
        for side in ('template', 'search'):
            np.testing.assert_array_equal(packed[draw][side]['img'], rendered[draw][side]['img'])
            np.testing.assert_array_equal(packed[draw][side]['bbox'], rendered[draw][side]['bbox'])
    source = dict(type='ct_mm.PackedPairs', data_root=str(tmp_path / 'pairs'))
    reader = DATASETS.build(dict(type='ct_mm.PairDataset', sources=[source], pipeline=FINISH))
    item = pickle.loads(pickle.dumps(reader))[0]  # as a data worker has it
    assert item['inputs']['template'].shape == (3, 32, 32) and item['inputs']['search'].shape == (3, 64, 64)
    assert 'pair ' in item['data_samples'].source[0]
    seen = {reader[draw]['data_samples'].source[0] for draw in range(60)}
    assert len(seen) == 7, 'each pair is drawn sooner or later'


def test_workers_and_interruptions_change_nothing(dataset, tmp_path):
    pack_pairs(dataset, tmp_path / 'alone', 7, pairs_per_shard=3)
    pack_pairs(dataset, tmp_path / 'two', 7, workers=2, pairs_per_shard=3)
    assert files(tmp_path / 'alone') == files(tmp_path / 'two')
    (tmp_path / 'two' / '00001_search.npy').unlink()
    (tmp_path / 'two' / 'pairs.json').unlink()
    (tmp_path / 'two' / '.00001_search.npy.99999').write_bytes(b'half')
    with pytest.raises(FileNotFoundError, match=r'no pairs\.json'):
        PackedPairs(tmp_path / 'two')
    assert pack_pairs(dataset, tmp_path / 'two', 7, pairs_per_shard=3) == 3, 'the one shard that was missing'
    assert files(tmp_path / 'alone') == files(tmp_path / 'two')


def test_other_pairs_are_not_mixed_in(dataset, tmp_path):
    pack_pairs(dataset, tmp_path, 2)
    with pytest.raises(ValueError, match='pairs made with another value of dataset'):
        pack_pairs(dict(dataset, seed=4), tmp_path, 2)
    with pytest.raises(ValueError, match='pairs made with another value of pairs'):
        pack_pairs(dataset, tmp_path, 3)


def test_missing_and_damaged_files_are_named(dataset, tmp_path):
    pack_pairs(dataset, tmp_path / 'pairs', 4, pairs_per_shard=2)
    shutil.copytree(tmp_path / 'pairs', tmp_path / 'cut')
    (tmp_path / 'cut' / '00001_boxes.npy').unlink()
    with pytest.raises(ValueError, match=r'1 files .* the first is 00001_boxes\.npy'):
        PackedPairs(tmp_path / 'cut')
    search = tmp_path / 'pairs' / '00000_search.npy'
    search.write_bytes(search.read_bytes()[:500])
    with pytest.raises(OSError, match='shard 0 is damaged'):
        PackedPairs(tmp_path / 'pairs')[1]
    facts = json.loads((tmp_path / 'pairs' / 'pairs.json').read_text())
    assert [step['type'] for step in facts['dataset']['pipeline']] == ['ct_mm.CropPair']
