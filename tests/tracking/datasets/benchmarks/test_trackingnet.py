import cv2
import numpy as np
import pytest

from ct_mm.registry import DATASETS
from ct_mm.tracking.datasets.benchmarks.trackingnet import TrackingNetDataset

BOXES = [' 1.00,102.00,245.00,174.00', ' 0.43,102.17,245.73,176.10', '-4.07,96.34,236.30,172.80']  # with the blanks
IDS = ['-0Xk_y1_0', '--7VUM9MKg4_0', '1e5_0', '0000_0', '_x_1', 'a1qoB1eERn0_0']


def add_sequence(root, part, name, boxes=BOXES, images=12):
    """One sequence as the development kit leaves it."""
    frames = root / part / 'frames' / name
    frames.mkdir(parents=True)
    (root / part / 'anno').mkdir(exist_ok=True)
    (root / part / 'zips').mkdir(exist_ok=True)
    for number in range(images):
        cv2.imwrite(str(frames / f'{number}.jpg'), np.full((280, 250, 3), 20 * number, np.uint8))
    (root / part / 'anno' / f'{name}.txt').write_text('\n'.join(boxes) + '\n')


@pytest.fixture
def root(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    data = tmp_path / 'trackingnet'
    for name in IDS:
        add_sequence(data, 'TEST', name, BOXES[:1])
    for part in range(3):
        add_sequence(data, f'TRAIN_{part}', f'-{part}_0', BOXES * 4)
    return data


def test_only_the_first_box_of_a_test_sequence_is_known(root):
    dataset = DATASETS.build(dict(type='ct_mm.TrackingNetDataset', data_root=str(root)))
    assert (dataset.metainfo['benchmark'], dataset.metainfo['split']) == ('trackingnet', 'test')
    assert dataset.names == sorted(IDS)  # video ids are not taken for numbers, options or hidden files
    item = dataset[dataset.names.index('1e5_0')]
    sample = item['data_samples']
    assert sample.first_box_only and sample.gt_boxes.shape == (12, 4)
    assert sample.gt_boxes[0].tolist() == [1, 102, 245, 174] and np.isnan(sample.gt_boxes[1:]).all()
    assert [round(image.mean()) for image in item['inputs']['video']] == list(range(0, 240, 20))  # 10 follows 9


def test_a_training_sequence(root):
    dataset = TrackingNetDataset(root, split='train', parts=[0, 1, 2], test_mode=False)
    assert dataset.names == ['-0_0', '-1_0', '-2_0'] and dataset.lengths.tolist() == [12] * 3
    sequence = dataset.get_sequence(1)
    assert sequence.boxes[1:3].tolist() == [[0.43, 102.17, 245.73, 176.1], [-4.07, 96.34, 236.3, 172.8]]
    assert sequence.visible.all() and not sequence.first_box_only
    assert sequence.frames[11] == str(root / 'TRAIN_1' / 'frames' / '-1_0' / '11.jpg')


def test_parts(root):
    assert TrackingNetDataset(root, split='train', parts=[2, 0], test_mode=False).names == ['-0_0', '-2_0']
    with pytest.raises(FileNotFoundError,
                       match=r'(?s)TRAIN_3/anno is missing; set `parts` to use other parts\n.*TEST/.*found'):
        TrackingNetDataset(root, split='train', test_mode=False)
    for parts in ([12], [-1], []):
        with pytest.raises(ValueError, match='must be some of the numbers 0 to 11'):
            TrackingNetDataset(root, split='train', parts=parts)
    with pytest.raises(ValueError, match='the test set has no parts'):
        TrackingNetDataset(root, parts=[0])
    add_sequence(root, 'TRAIN_1', '-0_0')
    with pytest.raises(ValueError, match="both TRAIN_0 and TRAIN_1 have a sequence '-0_0'"):
        TrackingNetDataset(root, split='train', parts=[0, 1])


def test_sequences_that_are_not_unpacked_or_missing(root):
    for frame in (root / 'TEST' / 'frames' / '_x_1').iterdir():
        frame.unlink()
    (root / 'TEST' / 'frames' / '_x_1').rmdir()
    with pytest.raises(FileNotFoundError, match=r'(?s)1 of 6 sequences are missing: _x_1;'):
        TrackingNetDataset(root)
    (root / 'TEST' / 'zips' / '_x_1.zip').touch()
    with pytest.raises(FileNotFoundError, match=r'1 of 6 sequences are not unpacked, such as .*zips/_x_1\.zip;'):
        TrackingNetDataset(root)
    assert TrackingNetDataset(root, sequences=['1e5_0']).names == ['1e5_0']


def test_faults_are_named(root):
    frames, anno = root / 'TRAIN_0' / 'frames' / '-0_0', root / 'TRAIN_0' / 'anno' / '-0_0.txt'

    def read():
        return TrackingNetDataset(root, split='train', parts=[0])

    (frames / '12.jpg').touch()
    assert read().lengths.tolist() == [12]  # frames after the annotated ones are not part of the sequence
    (frames / '5.jpg').unlink()
    with pytest.raises(FileNotFoundError, match=r'-0_0 has no 5\.jpg: 1 of 12 frames are missing'):
        read()
    anno.write_text('\n'.join([*BOXES, '1,2']))
    with pytest.raises(ValueError, match=r'anno/-0_0\.txt:4: .*2 numbers'):
        read()
    anno.write_text('\n'.join(['1,2,3,0', *BOXES]))
    with pytest.raises(ValueError, match=r'anno/-0_0\.txt:1: the box of the first frame'):
        read()
    (root / 'TEST' / 'anno' / '1e5_0.txt').write_text('\n'.join(BOXES))
    with pytest.raises(ValueError,
                       match=r'1e5_0\.txt has 3 lines, but must have one: only the first box of a test sequence'):
        TrackingNetDataset(root)
    (root / 'TEST' / 'frames' / '0000_0' / '7.jpg').unlink()
    with pytest.raises(FileNotFoundError, match=r'0000_0 has no 7\.jpg'):
        TrackingNetDataset(root)


def test_a_root_one_level_off_is_recognised(root):
    for given in (root / 'TEST', root.parent, root.parent / 'TrackingNet'):
        with pytest.raises(FileNotFoundError, match='/trackingnet looks right: set data_root to it$'):
            TrackingNetDataset(given)
