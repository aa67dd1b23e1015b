import numpy as np
import pytest

from ct_mm.registry import DATASETS
from ct_mm.tracking.datasets.benchmarks.lasot_ext import LaSOTExtDataset
from ct_mm.tracking.datasets.reading.annotation_io import read_names


@pytest.fixture
def root(tmp_path, monkeypatch):
    """The whole set with two frames a sequence."""
    monkeypatch.chdir(tmp_path)
    for name in read_names('lasot_ext.txt'):
        folder = tmp_path / 'ext' / name.rpartition('-')[0] / name
        (folder / 'img').mkdir(parents=True)
        for number in (1, 2):
            (folder / 'img' / f'{number:08d}.jpg').touch()
        (folder / 'groundtruth.txt').write_text('1,2,3,4\n2,3,4,5\n')
        (folder / 'full_occlusion.txt').write_text('0,1')
        (folder / 'out_of_view.txt').write_text('0,0')
    return tmp_path / 'ext'


def test_the_whole_set(root):
    dataset = DATASETS.build(dict(type='ct_mm.LaSOTExtDataset', data_root=str(root)))
    assert len(dataset) == 150 and len(set(dataset.names)) == 150
    assert (dataset.names[0], dataset.names[-1]) == ('atv-1', 'wingsuit-10')
    assert dataset.metainfo['benchmark'] == 'lasot_ext'
    assert dataset.get_sequence(149).visible.tolist() == [True, False]
    np.testing.assert_array_equal(dataset.get_sequence(0).boxes, [[1, 2, 3, 4], [2, 3, 4, 5]])
    assert LaSOTExtDataset(root, sequences=['rhino-3']).names == ['rhino-3']


def test_its_own_names_in_messages(root):
    (root / 'atv').rename(root / 'ATV')
    with pytest.raises(FileNotFoundError, match=r'(?s)10 of 150 sequences are missing: atv-1,.*atv/\n +atv-1/'):
        LaSOTExtDataset(root)
    with pytest.raises(FileNotFoundError, match='ext looks right'):
        LaSOTExtDataset(root.parent)
