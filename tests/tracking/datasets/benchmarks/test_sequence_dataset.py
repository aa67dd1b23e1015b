import importlib.util
import pickle
import sys

import cv2
import numpy as np
import pytest

from ct_mm.tracking.datasets.benchmarks.sequence_dataset import SequenceDataset
from ct_mm.tracking.datasets.reading import FrameSequence
from ct_mm.tracking.datasets.reading.annotation_io import read_numbers

WALK = ['1,2,3,4', '2,2,3,4', '3,2,3,4']


class TextFiles(SequenceDataset):
    """One text file of boxes per sequence; the frames do not exist."""

    tree = '    {root}/NAME.txt   {boxes}'
    SPLITS = ('one', 'other')
    METAINFO = dict(task_name='sot', benchmark='text')

    def __init__(self, data_root, split='one', **kwargs):
        self.reads = []
        super().__init__(data_root, split=split, **kwargs)

    def list_units(self):
        return sorted(path.stem for path in self.data_root.glob('*.txt')) + ['gone'] * (self.split == 'other')

    def missing(self, units):
        return [unit for unit in units if not self.watch(unit)[0].is_file()]

    def is_root(self, folder):
        return any(folder.glob('*.txt'))

    def watch(self, name):
        return [self.data_root / f'{name}.txt']

    def read_unit(self, name):
        self.reads.append(name)
        boxes = read_numbers(self.watch(name)[0], columns=4)
        return [FrameSequence(name, [f'{i}.jpg' for i in range(len(boxes))], boxes, [True] * len(boxes))]


@pytest.fixture
def root(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / 'data'
    folder.mkdir()
    for name in 'abc':
        (folder / f'{name}.txt').write_text('\n'.join(WALK))
    return folder


def test_metainfo_names_and_lengths(root):
    dataset = TextFiles(root, metainfo=dict(year=2026))
    assert dataset.metainfo == dict(
        task_name='sot', benchmark='text', dataset_type='TextFiles', split='one', year=2026)
    dataset.metainfo['year'] = 0
    assert dataset.metainfo['year'] == 2026
    assert dataset.names == ['a', 'b', 'c'] and dataset.lengths.tolist() == [3, 3, 3] and len(dataset) == 3


def test_an_item(root, tmp_path):
    cv2.imwrite(str(tmp_path / '0.jpg'), np.zeros((30, 40, 3), np.uint8))
    item = TextFiles(root)[1]
    sample = item['data_samples']
    assert item['inputs']['video'].name == sample.sequence_name == 'b' and sample.image_size == (40, 30)
    assert sample.gt_boxes.tolist() == [[1, 2, 3, 4], [2, 2, 3, 4], [3, 2, 3, 4]]
    assert (sample.attributes, sample.first_box_only, sample.visible.tolist()) == (None, False, [True] * 3)


def test_which_units(root):
    assert TextFiles(root, sequences=['c', 'a']).names == ['c', 'a']
    for sequences, message in [('abc', "must be a list of names, but is the string 'abc'"),
                               (['a', 'b', 'a'], r"contains \['a'\] more than once"),
                               (['d'], "contains 'd', which is not in .*available: a, b, c")]:
        with pytest.raises(ValueError, match=message):
            TextFiles(root, sequences=sequences)
    with pytest.raises(ValueError, match="split='third' must be one of one, other"):
        TextFiles(root, split='third')


def test_a_box_without_area_is_not_visible(root):
    # Like frame 118 of LaSOT's tiger-6.
    (root / 'a.txt').write_text('\n'.join(['1,2,3,4', '613,731,247,-11', '1,2,0,4', 'nan,nan,nan,nan', '1,2,inf,4']))
    sequence = TextFiles(root).get_sequence(0)
    assert sequence.visible.tolist() == [True, False, False, False, False]
    assert sequence.boxes[1].tolist() == [613, 731, 247, -11]


@pytest.mark.parametrize('rows, message', [
    (['1,2,0,4', *WALK], r'b, frame 0 \(0-based\): the box of the first frame is \[1.0, 2.0, 0.0, 4.0\]'),
    (['nan,nan,nan,nan', *WALK], 'the box of the first frame'),
    (WALK[:1], "sequence 'b' .*single frame: there is nothing to track"),
    (['1,2,3,4', '1,x,3,4'], r"b\.txt:2: '1,x,3,4'"),
])
def test_evaluation_rejects_a_faulty_sequence(root, rows, message):
    (root / 'b.txt').write_text('\n'.join(rows))
    for _ in range(2):
        with pytest.raises(ValueError, match=message):
            TextFiles(root)


def test_training_skips_faulty_sequences(root):
    (root / 'b.txt').write_text('1,2,3')
    (root / 'c.txt').write_text('1,2,0,4\n2,2,3,4\n3,2,3,4')  # training does not start at the first frame
    for _ in range(2):
        dataset = TextFiles(root, test_mode=False)
        assert dataset.names == ['a', 'c'] and dataset.reads[-1] in 'bc'
        assert dataset.get_sequence(1).visible.tolist() == [False, True, True]
    assert dataset.reads == ['b']
    with pytest.raises(ValueError, match=r'1 sequences cannot be used \(b\), more than max_bad_sequences=0'):
        TextFiles(root, test_mode=False, max_bad_sequences=0)
    with pytest.raises(ValueError, match=r'b\.txt:1'):  # evaluation does not use the index of training
        TextFiles(root)


def test_an_incomplete_copy_is_an_error_in_training_too(root):
    for test_mode in (True, False):
        with pytest.raises(FileNotFoundError, match=r'(?s)1 of 4 sequences are missing: gone.*found in .*a\.txt'):
            TextFiles(root, split='other', test_mode=test_mode)
    assert TextFiles(root, split='other', sequences=['a']).names == ['a']


def test_a_misplaced_root_shows_trees_and_the_likely_one(root, tmp_path):
    with pytest.raises(FileNotFoundError, match=r'(?s)/dota/NAME\.txt   \{boxes\}\n.*data/\n.*/data looks right'):
        TextFiles(tmp_path / 'dota')
    with pytest.raises(ValueError, match=r'(?s)there is no sequence in .*/data looks right: set data_root to it$'):
        TextFiles(tmp_path)
    (root / 'inner').mkdir()
    with pytest.raises(ValueError, match='(?s)    nothing\n.*/data looks right'):
        TextFiles(root / 'inner')
    (tmp_path / 'new' / 'x').mkdir(parents=True)
    for number in range(20):
        (tmp_path / 'new' / f'part{number:02d}.ZIP').touch()
    with pytest.raises(ValueError, match=r'(?s)    \.\.\. 6 more\npart00\.ZIP and others are archives: unpack them'):
        TextFiles(tmp_path / 'new')
    with pytest.raises(FileNotFoundError, match=f'far does not exist either .current folder: {tmp_path}'):
        TextFiles('far/away')


def test_the_index_is_in_the_current_folder_or_nowhere(root, tmp_path):
    assert TextFiles(root).reads == ['a', 'b', 'c']
    assert TextFiles(str(root)).reads == []
    assert TextFiles(root, index_dir=None).reads == ['a', 'b', 'c']
    assert TextFiles(root, index_dir=tmp_path / 'elsewhere').reads == ['a', 'b', 'c']
    assert len(list((tmp_path / 'work_dirs' / 'index').iterdir())) == len(list((tmp_path / 'elsewhere').iterdir())) == 1


def test_its_pickle_holds_no_boxes(root):
    (root / 'a.txt').write_text('\n'.join(WALK * 10000))
    dataset = TextFiles(root)
    packed = pickle.dumps(dataset)
    assert len(packed) < 5000
    np.testing.assert_array_equal(pickle.loads(packed).get_sequence(0).boxes, dataset.get_sequence(0).boxes)


def test_an_index_does_not_outlive_the_code_that_made_it(root, tmp_path, monkeypatch):
    monkeypatch.setattr(sys, 'dont_write_bytecode', True)  # it would stand for all code written in its second
    module = tmp_path / 'my_reader.py'
    code = """
from test_sequence_dataset import TextFiles


class Mine(TextFiles):

    def read_unit(self, name):
        sequences = super().read_unit(name)
        sequences[0].boxes += SHIFT
        return sequences
"""

    def opened(shift):
        module.write_text(code.replace('SHIFT', str(shift)))
        spec = importlib.util.spec_from_file_location('my_reader', module)
        sys.modules['my_reader'] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(sys.modules['my_reader'])
        dataset = sys.modules['my_reader'].Mine(root)
        return dataset.get_sequence(0).boxes[0, 0], len(dataset.reads)

    sys.modules.setdefault('test_sequence_dataset', sys.modules[__name__])
    try:
        assert opened(5) == (6, 3)
        assert opened(5) == (6, 0)
        assert opened(7) == (8, 3)
    finally:
        del sys.modules['my_reader']


def test_boxes_from_0_to_1_beside_boxes_in_pixels_are_named(root, caplog):
    (root / 'b.txt').write_text('0.1,0.2,0.3,0.4\n0.2,0.2,0.3,0.4\n0,0,0,0')
    with pytest.raises(ValueError, match=r"sequence 'b' lie between 0 and 1, but they must be in pixels"):
        TextFiles(root)
    dataset = TextFiles(root, test_mode=False)
    assert dataset.names == ['a', 'c'] and dataset._bad == ['b']
