import cv2
import numpy as np
import pytest

from ct_mm.registry import DATASETS
from ct_mm.tracking.datasets.benchmarks.sequence_folder import SequenceFolder

ROWS = ['4,5,10,12', '5,5,10,12', '6,5,10,12']


def add_sequence(root, name, rows=ROWS, frames=3, **files):
    folder = root / name
    folder.mkdir(parents=True)
    (folder / 'groundtruth.txt').write_text('\n'.join(rows) + '\n')
    for number in range(frames):
        cv2.imwrite(str(folder / f'{number + 1:08d}.jpg'), np.full((24, 36, 3), 50 * number, np.uint8))
    for file_name, text in files.items():
        (folder / file_name.replace('_', '.')).write_text(text)
    return folder


def test_items_as_trackers_take_them(tmp_path):
    add_sequence(tmp_path, 'walk')
    add_sequence(tmp_path, 'boat', ['1\t2\t3\t4', '1 2  3 4', '1.5, 2, 3, 4'])
    dataset = DATASETS.build(dict(type='ct_mm.SequenceFolder', data_root=str(tmp_path), metainfo=dict(year=2026)))
    assert dataset.metainfo['dataset_type'] == 'SequenceFolder' and dataset.metainfo['year'] == 2026
    assert [dataset.get_sequence(i).name for i in range(len(dataset))] == ['boat', 'walk']
    item = dataset[0]
    sample = item['data_samples']
    assert item['inputs']['video'].name == 'boat' and len(item['inputs']['video'].frames) == 3
    assert sample.sequence_name == 'boat' and sample.image_size == (36, 24)
    assert sample.gt_boxes.tolist() == [[1, 2, 3, 4], [1, 2, 3, 4], [1.5, 2, 3, 4]]
    assert sample.visible.tolist() == [True, True, True]
    assert [round(image.mean()) for image in dataset[1]['inputs']['video']] == [0, 50, 100]


def test_which_sequences_and_in_which_order(tmp_path):
    for name in ('a', 'b', 'c', '.hidden'):
        add_sequence(tmp_path, name)

    def names(**kwargs):
        dataset = SequenceFolder(tmp_path, **kwargs)
        return [dataset.get_sequence(i).name for i in range(len(dataset))]

    assert names() == ['a', 'b', 'c']
    (tmp_path / 'list.txt').write_text('c\na\n\n')
    assert names() == ['c', 'a']
    assert names(sequences=['b', 'a']) == ['b', 'a']
    (tmp_path / 'list.txt').write_text('a\nc\na\n')
    with pytest.raises(ValueError, match=r"list\.txt contains \['a'\] more than once"):
        names()
    (tmp_path / 'list.txt').write_text('a\ngone\n')
    with pytest.raises(FileNotFoundError, match=r'(?s)1 of 2 sequences are missing: gone.*list\.txt'):
        names()
    assert names(sequences=['a']) == ['a']
    (tmp_path / 'list.txt').unlink()
    with pytest.raises(ValueError, match="contains 'bb'.*available: b"):
        names(sequences=['bb'])
    with pytest.raises(ValueError, match='more than once'):
        names(sequences=['a', 'a'])
    with pytest.raises(ValueError, match=r"sequences='a' must be list\[str\]"):
        names(sequences='a')


def test_invisible_frames(tmp_path):
    rows = ['1,2,3,4', 'nan,nan,nan,nan', '1,2,0,4', '1,2,3,4', '1,2,3,4', '1,2,3,4']
    add_sequence(tmp_path, 'walk', rows, 6, absence_label='0\n0\n0\n1\n0\n0', cover_label='8\n8\n8\n8\n0\n1\n')
    assert SequenceFolder(tmp_path).get_sequence(0).visible.tolist() == [True, False, False, False, False, True]


def test_a_video_instead_of_frames(tmp_path):
    folder = add_sequence(tmp_path, 'walk', frames=0)
    writer = cv2.VideoWriter(str(folder / 'walk.avi'), cv2.VideoWriter_fourcc(*'MJPG'), 10, (36, 24))
    if not writer.isOpened():
        pytest.skip('this OpenCV cannot write MJPG videos')
    for number in range(3):
        writer.write(np.full((24, 36, 3), 80 * number, np.uint8))
    writer.release()
    item = SequenceFolder(tmp_path)[0]
    assert item['data_samples'].image_size == (36, 24)
    assert len(list(item['inputs']['video'])) == 3
    (folder / 'groundtruth.txt').write_text('\n'.join(ROWS[:2]))
    with pytest.raises(OSError, match=r'walk\.avi: 3 frames.*2 boxes'):
        SequenceFolder(tmp_path)


def test_frame_ten_follows_frame_nine(tmp_path):
    folder = add_sequence(tmp_path, 'walk', ['1,2,3,4'] * 11, frames=0)
    for number in range(11):
        cv2.imwrite(str(folder / f'{number}.png'), np.full((8, 8, 3), number, np.uint8))
    assert [int(image.max()) for image in SequenceFolder(tmp_path).get_sequence(0)] == list(range(11))


def test_a_root_that_is_missing_or_empty_shows_the_tree(tmp_path):
    with pytest.raises(FileNotFoundError, match=r'(?s)nowhere is not a folder.*groundtruth\.txt'):
        SequenceFolder(tmp_path / 'nowhere')
    (tmp_path / 'notes.md').touch()
    with pytest.raises(ValueError, match=r'(?s)no sequence in.*groundtruth\.txt.*found in [^\n]*:\n    notes\.md$'):
        SequenceFolder(tmp_path)


def test_a_root_one_level_off_is_recognised(tmp_path):
    add_sequence(tmp_path / 'data' / 'val', 'walk')
    for given in ('data', 'data/val/walk', 'data/valid'):
        with pytest.raises((FileNotFoundError, ValueError), match=r'/data/val looks right: set data_root to it'):
            SequenceFolder(tmp_path / given)


def test_faults_inside_a_sequence_are_named(tmp_path):
    folder = add_sequence(tmp_path, 'walk')
    truth = folder / 'groundtruth.txt'
    faults = [
        (ROWS[:2], r'groundtruth\.txt has 2 lines, but .*walk has 3 frames'),
        ([ROWS[0], '5,x,10,12', ROWS[2]], r"groundtruth\.txt:2: '5,x,10,12'"),
        ([*ROWS[:2], '5,5,10'], r'groundtruth\.txt:3: .*3 numbers.*x, y, width, height'),
        ([ROWS[0], '', ROWS[2]], r'groundtruth\.txt:2'),
        ([ROWS[0], '5,,10,12', ROWS[2]], r'groundtruth\.txt:2'),
        (['nan,nan,nan,nan', *ROWS[1:]], r'groundtruth\.txt:1: the box of the first frame'),
        (['4,5,0,12', *ROWS[1:]], r'groundtruth\.txt:1: the box of the first frame'),
        ([], r'groundtruth\.txt is empty'),
    ]
    for rows, message in faults:
        truth.write_text('\n'.join(rows))
        with pytest.raises(ValueError, match=message):
            SequenceFolder(tmp_path)
    truth.write_bytes(b'\xff\xfe\x00\x81')
    with pytest.raises(ValueError, match=r'groundtruth\.txt is not a text file'):
        SequenceFolder(tmp_path)
    truth.write_text('\n'.join(ROWS))
    (folder / 'absence.label').write_text('0\n0\n')
    with pytest.raises(ValueError, match=r'absence\.label has 2 values, but .*groundtruth\.txt has 3 lines'):
        SequenceFolder(tmp_path)
    (folder / 'absence.label').unlink()
    (folder / 'walk.mp4').touch()
    with pytest.raises(ValueError, match='3 images and 1 videos'):
        SequenceFolder(tmp_path)
    truth.unlink()
    with pytest.raises(FileNotFoundError, match=r'walk/groundtruth\.txt is missing'):
        SequenceFolder(tmp_path)


def test_real_sequences(shared, reference):
    dataset = SequenceFolder(shared / 'data' / 'sequences')
    assert len(dataset) == 6 and sum(len(dataset.get_sequence(i)) for i in range(6)) == 1051
    sample = dataset[0]['data_samples']
    numbers = reference('metrics_reference')
    np.testing.assert_array_equal(sample.gt_boxes, numbers[f'{sample.sequence_name}/groundtruth'])
    assert sample.image_size == tuple(numbers[f'{sample.sequence_name}/image_size_wh'])
