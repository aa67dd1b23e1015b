import shutil

import cv2
import numpy as np
import pytest

from ct_mm.registry import DATASETS
from ct_mm.tracking.datasets.benchmarks.got10k import GOT10kDataset
from ct_mm.tracking.datasets.reading.annotation_io import read_names

BOXES = ['347.0000,443.0000,429.0000,272.0000', '348.0000,444.0000,430.0000,272.0000', '0.0000,0.0000,0.0000,0.0000',
         '351.0000,445.0000,431.0000,271.0000']


def add_sequence(root, split, number, boxes=BOXES, absence='0011', cover='8088'):
    """One sequence as in the official archives, entered in the list of its split."""
    name = f'GOT-10k_{split.title()}_{number:06d}'
    folder = root / split / name
    folder.mkdir(parents=True)
    with open(root / split / 'list.txt', 'a') as file:
        file.write(f'{name}\n')
    for frame in range(1, 5):
        cv2.imwrite(str(folder / f'{frame:08d}.jpg'), np.full((720, 800, 3), 40 * frame, np.uint8))
    (folder / 'groundtruth.txt').write_text('\n'.join(boxes) + '\n')
    (folder / 'meta_info.ini').write_text('[METAINFO]\nurl: https://example.org\nresolution: (800, 720)\n')
    if split != 'test':
        for label, flags in (('absence', absence), ('cover', cover), ('cut_by_image', '0000')):
            (folder / f'{label}.label').write_text('\n'.join(flags) + '\n')
    return folder


@pytest.fixture
def root(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    data = tmp_path / 'got10k'
    for number in (2, 1):
        add_sequence(data, 'val', number)
    add_sequence(data, 'test', 1, BOXES[:1])
    for number in (1, 2, 5, 6):  # 2 is in val_vot, 5 in neither split
        add_sequence(data, 'train', number)
    return data


def test_a_validation_sequence(root):
    dataset = DATASETS.build(dict(type='ct_mm.GOT10kDataset', data_root=str(root)))
    assert (dataset.metainfo['benchmark'], dataset.metainfo['split']) == ('got10k', 'val')
    assert dataset.names == ['GOT-10k_Val_000002', 'GOT-10k_Val_000001']  # the order of list.txt
    item = dataset[0]
    sample = item['data_samples']
    assert sample.gt_boxes.tolist() == [[float(n) for n in row.split(',')] for row in BOXES]
    assert sample.visible.tolist() == [True, False, False, True]  # the last is marked as absent, but has a cover
    training = GOT10kDataset(root, split='val', test_mode=False)
    assert training.get_sequence(0).visible.tolist() == [True, False, False, False]
    assert (sample.image_size, sample.first_box_only) == ((800, 720), False)
    assert [round(image.mean()) for image in item['inputs']['video']] == [40, 80, 120, 160]


def test_only_the_first_box_of_a_test_sequence_is_known(root):
    sample = GOT10kDataset(root, split='test')[0]['data_samples']
    assert sample.first_box_only and sample.gt_boxes.shape == (4, 4)
    assert sample.gt_boxes[0].tolist() == [347, 443, 429, 272] and np.isnan(sample.gt_boxes[1:]).all()
    assert sample.visible.tolist() == [True, False, False, False]
    (root / 'test' / 'GOT-10k_Test_000001' / 'groundtruth.txt').write_text('\n'.join(BOXES[:2]))
    with pytest.raises(ValueError,
                       match=r'groundtruth\.txt has 2 lines, but must have one: only the first box of a test sequence'):
        GOT10kDataset(root, split='test')


def test_the_splits_for_vot():
    # As PyTracking has them: positions in train/list.txt, counted from 0.
    val, left_out = ([int(name.removeprefix('GOT-10k_Train_')) - 1 for name in read_names(f'got10k_vot_{part}.txt')]
                     for part in ('val', 'left_out'))
    assert len(set(val)) == 1249 and len(set(left_out)) == 1000 and not set(val) & set(left_out)
    assert (val[:3], val[-3:]) == ([1, 11, 25], [9295, 9315, 9333])
    train = set(range(9335)) - set(val) - set(left_out)
    assert len(train) == 7086
    # The sizes of PyTracking's files, which have one number a line.
    assert sum(len(f'{position}\n') for position in val) == 6109
    assert sum(len(f'{position}\n') for position in train) == 34581


def test_training_splits(root):

    def numbers(split, **kwargs):
        dataset = GOT10kDataset(root, split=split, test_mode=False, **kwargs)
        assert all(dataset.get_sequence(i).frames[0].startswith(str(root / 'train')) for i in range(len(dataset)))
        return [int(name[-6:]) for name in dataset.names]

    assert numbers('train') == [1, 2, 5, 6]
    assert numbers('train_vot') == [1, 6]
    assert numbers('val_vot', sequences=['GOT-10k_Train_000002']) == [2]
    with pytest.raises(FileNotFoundError, match='1248 of 1249 sequences are missing'):
        GOT10kDataset(root, split='val_vot')


def test_a_part_of_the_archives_that_is_not_unpacked(root):
    shutil.rmtree(root / 'train' / 'GOT-10k_Train_000005')
    (root / 'train' / 'GOT-10k_Train_split_01.zip').touch()
    with pytest.raises(FileNotFoundError, match=r'(?s)1 of 4 sequences are missing: GOT-10k_Train_000005.*expected:'
                       r'.*found in .*train:.*GOT-10k_Train_split_01\.zip is an archive: unpack it first$'):
        GOT10kDataset(root, split='train', test_mode=False)


@pytest.mark.parametrize('damage, message', [
    (lambda folder: (folder / 'cover.label').unlink(), r'(?s)Val_000001.cover\.label is missing\n.*found in.*absence'),
    (lambda folder: (folder / 'absence.label').write_text('0\n0\n'),
     r'absence\.label has 2 values, but .*groundtruth\.txt has 4 lines'),
    (lambda folder: (folder / 'cover.label').write_text('8\n8\n8\nfull\n'), r'cover\.label:4: '),
    (lambda folder: (folder / '00000002.jpg').unlink(), r'groundtruth\.txt has 4 lines, but .* has 3 frames'),
    (lambda folder: (folder / 'groundtruth.txt').write_text('0,0,0,0\n' * 4), r'Val_000001.groundtruth\.txt:1: the'),
])
def test_faults_are_named(root, damage, message):
    GOT10kDataset(root)
    damage(root / 'val' / 'GOT-10k_Val_000001')
    with pytest.raises((ValueError, FileNotFoundError), match=message):
        GOT10kDataset(root)


def test_a_root_one_level_off_is_recognised(root):
    for given in (root / 'val', root.parent, root.parent / 'GOT10k'):
        with pytest.raises(FileNotFoundError, match='/got10k looks right: set data_root to it$'):
            GOT10kDataset(given)
    with pytest.raises(ValueError, match="split='validation' must be one of train, train_vot, val_vot, val, test"):
        GOT10kDataset(root, split='validation')


def test_real_sequences(shared, reference, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    source, val = shared / 'data' / 'sequences', tmp_path / 'root' / 'val'
    names = sorted(path.name for path in source.iterdir() if path.is_dir())
    for name in names:
        (val / name).mkdir(parents=True)
        for file in [*(source / name).glob('*.jpg'), source / name / 'groundtruth.txt']:
            (val / name / file.name).symlink_to(file)
        frames = len(list((source / name).glob('*.jpg')))
        (val / name / 'absence.label').write_text('0\n' * frames)
        (val / name / 'cover.label').write_text('8\n' * frames)
    (val / 'list.txt').write_text('\n'.join(names) + '\n')
    numbers = reference('metrics_reference')
    for _ in range(2):  # the second time from the index
        dataset = GOT10kDataset(tmp_path / 'root')
        assert dataset.names == names and len(names) == 6 and dataset.lengths.sum() == 1051
        for i, name in enumerate(names):
            np.testing.assert_array_equal(dataset.get_sequence(i).boxes, numbers[f'{name}/groundtruth'])
            assert dataset.get_sequence(i).visible.all()
            assert dataset.get_sequence(i).image_size == tuple(numbers[f'{name}/image_size_wh'])
