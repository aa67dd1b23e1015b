import shutil

import cv2
import numpy as np
import pytest

from ct_mm.registry import DATASETS
from ct_mm.tracking.datasets.benchmarks.lasot import LaSOTDataset
from ct_mm.tracking.datasets.reading.annotation_io import read_names

BOXES = ['367,101,41,16', '366,103,45,16', '0,0,0,0', '366,103,45,16']


def add_sequence(root, name, boxes=BOXES, occluded='0,0,0,1', outside='0,0,1,0', images=4):
    """One sequence as in the official archives."""
    folder = root / name
    (folder / 'img').mkdir(parents=True)
    for number in range(1, images + 1):
        cv2.imwrite(str(folder / 'img' / f'{number:08d}.jpg'), np.full((120, 420, 3), 40 * number, np.uint8))
    (folder / 'groundtruth.txt').write_text('\n'.join(boxes) + '\n')
    (folder / 'full_occlusion.txt').write_text(occluded)
    (folder / 'out_of_view.txt').write_text(outside)
    (folder / 'nlp.txt').write_text('white airplane landing on ground')
    return folder


@pytest.fixture
def root(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    data = tmp_path / 'data' / 'lasot'
    for name in ('airplane-1', 'airplane-2', 'airplane-15', 'tiger-6', 'tiger-1'):
        add_sequence(data / name.split('-')[0], name)
    return data


def test_the_official_split():
    names = read_names('lasot_test.txt')
    assert len(names) == len(set(names)) == 280
    assert (names[0], names[-1]) == ('airplane-1', 'volleyball-19')
    classes = [name.rpartition('-')[0] for name in names]
    assert len(set(classes)) == 70 and {classes.count(name) for name in classes} == {4}
    assert {int(name.rpartition('-')[2]) for name in names} <= set(range(1, 21))


def test_a_test_sequence(root):
    dataset = DATASETS.build(dict(type='ct_mm.LaSOTDataset', data_root=str(root), sequences=['tiger-6', 'airplane-1']))
    assert (dataset.metainfo['benchmark'], dataset.metainfo['split']) == ('lasot', 'test')
    assert dataset.names == ['tiger-6', 'airplane-1']
    item = dataset[1]
    sample = item['data_samples']
    assert sample.gt_boxes.tolist() == [[float(n) for n in row.split(',')] for row in BOXES]
    assert sample.visible.tolist() == [True, True, False, False]
    assert (sample.image_size, sample.attributes, sample.first_box_only) == ((420, 120), None, False)
    assert [round(image.mean()) for image in item['inputs']['video']] == [40, 80, 120, 160]
    assert item['inputs']['video'].frame_name(3) == str(root / 'airplane' / 'airplane-1' / 'img' / '00000004.jpg')


def test_training_takes_all_present_sequences_outside_the_test_set(root, monkeypatch):
    said = []
    monkeypatch.setattr(
        'ct_mm.tracking.datasets.benchmarks.lasot.print_log', lambda message, **kwargs: said.append(message))
    dataset = LaSOTDataset(root, split='train', test_mode=False)
    assert dataset.names == ['airplane-2', 'tiger-1']
    assert len(said) == 1 and 'only 2 of 1120 sequences are in' in said[0]


def test_sequences_without_folders_of_classes(root, tmp_path):
    flat = tmp_path / 'flat'
    flat.mkdir()
    for folder in root.glob('*/*'):
        shutil.move(folder, flat / folder.name)
    assert LaSOTDataset(flat, split='train', test_mode=False).names == ['airplane-2', 'tiger-1']
    assert LaSOTDataset(flat, sequences=['tiger-6']).get_sequence(0).frames[0] == str(
        flat / 'tiger-6' / 'img' / '00000001.jpg')


def test_the_test_set_must_be_complete(root):
    with pytest.raises(FileNotFoundError,
                       match=r'(?s)LaSOTDataset test: 277 of 280 sequences are missing: airplane-9, airplane-13, '
                       r'basketball-1.*expected:.*groundtruth\.txt.*found in .*airplane/\n    tiger/'):
        LaSOTDataset(root)


def test_attributes_of_the_toolkit(root):
    attributes = root / 'annos' / 'att'
    attributes.mkdir(parents=True)
    (attributes / 'airplane-1.txt').write_text('0,1,0,0,0,1,0,0,1,0,0,0,1,0\n')  # in the format of the toolkit
    dataset = LaSOTDataset(root, sequences=['airplane-1', 'tiger-6'])
    assert dataset.get_sequence(0).attributes == ('Partial Occlusion', 'Rotation', 'Scale Variation', 'Low Resolution')
    assert dataset.get_sequence(1).attributes is None
    (attributes / 'tiger-6.txt').write_text('1,0,1')
    with pytest.raises(ValueError, match=r'tiger-6\.txt must hold 14 flags, each 0 or 1, but holds \['):
        LaSOTDataset(root, sequences=['airplane-1', 'tiger-6'])
    (attributes / 'tiger-6.txt').write_text('0,0,0,0,0,0,0,0,0,0,1,0,0,1')  # the index notices the new file
    sequence = LaSOTDataset(root, sequences=['tiger-6']).get_sequence(0)
    assert sequence.attributes == ('Fast Motion', 'Aspect Ratio Change')


def test_oddities_of_the_releases(root):
    # A box of negative height (tiger-6, frame 118), flags that end with a line break, a surplus image (airplane-15).
    shutil.rmtree(root / 'tiger' / 'tiger-6')
    boxes, flags = [BOXES[0], '613,731,247,-11', *BOXES[:2]], '0,0,0,0\n'
    add_sequence(root / 'tiger', 'tiger-6', boxes, flags, flags, images=5)
    sequence = LaSOTDataset(root, sequences=['tiger-6']).get_sequence(0)
    assert len(sequence) == 4 and sequence.frames[-1].endswith('00000004.jpg')
    assert sequence.visible.all()  # scoring distinguishes flagged frames from frames without a box
    training = LaSOTDataset(root, sequences=['tiger-6'], test_mode=False).get_sequence(0)
    assert training.visible.tolist() == [True, False, True, True]
    assert sequence.boxes[1].tolist() == [613, 731, 247, -11]


def edit(path, text):
    return lambda folder: (folder / path).write_text(text)


@pytest.mark.parametrize('damage, message', [
    (edit('groundtruth.txt', '\n'.join(BOXES[:3])), r'full_occlusion\.txt has 4 values, but .*txt has 3 lines'),
    (edit('groundtruth.txt', '\n'.join(['nan,1,2,3', *BOXES[1:]])), r'tiger-6.groundtruth\.txt:1: the box of'),
    (edit('groundtruth.txt', '\n'.join([*BOXES[:2], '1,2,3', BOXES[3]])), r'groundtruth\.txt:3: .*3 numbers'),
    (edit('groundtruth.txt', ''), r'groundtruth\.txt is empty'),
    (edit('out_of_view.txt', '0,0,0'), r'out_of_view\.txt has 3 values, but .*has 4 lines'),
    (edit('out_of_view.txt', '0,0,no,0'), r'out_of_view\.txt:1: '),
    (edit('full_occlusion.txt', ''), r'full_occlusion\.txt is empty'),
    (lambda folder: (folder / 'full_occlusion.txt').unlink(), r'full_occlusion\.txt'),
    (lambda folder: (folder / 'groundtruth.txt').unlink(),
     r'(?s)tiger-6.groundtruth\.txt is missing.*found in.*nlp\.txt'),
    (lambda folder: (folder / 'img' / '00000003.jpg').unlink(), r'has no 00000003\.jpg: 1 of 4 frames are missing'),
    (lambda folder: shutil.rmtree(folder / 'img'), 'img is not a folder, but should hold the frames'),
])
def test_faults_are_named(root, damage, message):
    LaSOTDataset(root, sequences=['airplane-1', 'tiger-6'])
    damage(root / 'tiger' / 'tiger-6')
    with pytest.raises((ValueError, FileNotFoundError), match=message):
        LaSOTDataset(root, sequences=['airplane-1', 'tiger-6'])


@pytest.mark.parametrize('given', ['data', 'data/lasot/airplane', 'data/LASOT', 'data/lasot/airplane/airplane-1'])
def test_a_root_one_level_off_is_recognised(root, given):
    with pytest.raises(FileNotFoundError, match=r'data/lasot looks right: set data_root to it$'):
        LaSOTDataset(given)


def test_archives_that_are_packed_or_unpacked_too_deep(root):
    (root / 'basketball.zip').touch()
    with pytest.raises(FileNotFoundError, match=r'basketball\.zip is an archive: unpack it first$'):
        LaSOTDataset(root)
    (root / 'airplane').rename(root / 'once')
    (root / 'airplane').mkdir()
    (root / 'once').rename(root / 'airplane' / 'airplane')
    with pytest.raises(FileNotFoundError, match=r'folder airplane-1 is missing; .*airplane/airplane up\n'):
        LaSOTDataset(root)


def test_the_second_opening_reads_no_annotation(root, monkeypatch):
    first = LaSOTDataset(root, sequences=['airplane-1', 'tiger-6'])

    def refuse(path, columns):
        raise AssertionError(f'{path} was read')

    monkeypatch.setattr('ct_mm.tracking.datasets.benchmarks.lasot.read_numbers', refuse)
    second = LaSOTDataset(root, sequences=['airplane-1', 'tiger-6'])
    for i in range(2):
        np.testing.assert_array_equal(first.get_sequence(i).boxes, second.get_sequence(i).boxes)
        assert first.get_sequence(i).frames == second.get_sequence(i).frames
    (root / 'tiger' / 'tiger-6' / 'groundtruth.txt').touch()
    with pytest.raises(AssertionError, match='tiger-6'):
        LaSOTDataset(root, sequences=['airplane-1', 'tiger-6'])
