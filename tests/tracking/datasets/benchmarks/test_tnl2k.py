import cv2
import numpy as np
import pytest

from ct_mm.tracking.datasets.benchmarks.tnl2k import TNL2KDataset
from ct_mm.tracking.datasets.reading.annotation_io import read_table

NOISE = np.random.default_rng(0).integers(0, 256, (24, 32, 3), np.uint8)
IMAGES = {suffix: cv2.imencode(f'.{suffix}', NOISE)[1].tobytes() for suffix in ('jpg', 'png')}
ROW = '10,5,30,40'


def add(root, name, frames, rows=None):
    """A sequence with the named frames; its boxes are ``rows`` or alike."""
    folder = root / name
    (folder / 'imgs').mkdir(parents=True)
    for frame in frames:
        (folder / 'imgs' / frame).write_bytes(IMAGES[frame[-3:]])
    (folder / 'groundtruth.txt').write_text('\n'.join([ROW] * len(frames) if rows is None else rows) + '\n')
    (folder / 'language.txt').write_text('the man in red')
    return folder


@pytest.fixture
def read(tmp_path):
    """Reads sequences of the miniature in ``tmp_path``."""
    return lambda *names, **kwargs: TNL2KDataset(tmp_path, sequences=names, index_dir=None, **kwargs)


def test_the_table_has_the_published_sequences():
    rows = read_table('tnl2k_test.txt')
    assert len(rows) == len({tuple(row) for row in rows}) == 700 and all(len(row) == 1 for row in rows)


def test_frame_names_may_differ(tmp_path, read):
    names = {
        'INF_bike': [f'{number:08d}.png' for number in range(1, 13)],
        'advSamp_INF_birds': [f'{number:05d}.jpg' for number in range(100, 112)],
        'CM_push_done': [f'{number}.jpg' for number in range(95, 107)],
        'gamGUN_2-Done': [f'img_{number}.png' for number in range(3, 15)],
    }
    for name, frames in names.items():
        add(tmp_path, name, frames)
        (tmp_path / name / 'imgs' / 'Thumbs.db').touch()
    dataset = read(*names)
    for index, (name, frames) in enumerate(names.items()):
        sequence = dataset.get_sequence(index)
        assert (sequence.name, [sequence.frames.name(i) for i in range(12)]) == (name, frames)
    assert dataset.metainfo['benchmark'] == 'tnl2k' and dataset[0]['data_samples'].image_size == (32, 24)


def test_separators_and_absent_targets(tmp_path, read):
    add(tmp_path, 'INF_bike', [f'{number:05d}.jpg' for number in range(1, 6)],
        ['1,2,3,4', '1 2 3 4', '0\t0\t0\t0', 'nan,nan,nan,nan', '1,2,-3,4'])
    sequence = read('INF_bike').get_sequence(0)
    assert sequence.boxes[:2].tolist() == [[1, 2, 3, 4]] * 2
    assert sequence.visible.tolist() == [True, True, False, False, False]


def test_the_two_annotations_with_a_surplus_line(tmp_path, read):
    frames = [f'{number:05d}.jpg' for number in range(1, 4)]
    for name in ('advSamp_Baseball_game_002-Done', 'advSamp_monitor_bikeyellow', 'INF_bike'):
        add(tmp_path, name, frames, [ROW] * 4)
    assert read('advSamp_Baseball_game_002-Done', 'advSamp_monitor_bikeyellow').lengths.tolist() == [3, 3]
    with pytest.raises(ValueError, match=r'groundtruth\.txt has 4 lines, but there are 3 frames in .*INF_bike'):
        read('INF_bike')
    # A corrected file is accepted, too.
    (tmp_path / 'advSamp_monitor_bikeyellow/groundtruth.txt').write_text('\n'.join([ROW] * 3))
    assert read('advSamp_monitor_bikeyellow').lengths.tolist() == [3]


def test_the_damaged_frame_is_found_before_tracking(tmp_path, read):
    name = 'test_015_Sord_video_Q01_done'
    folder = add(tmp_path, name, [f'{number:08d}.png' for number in range(491, 494)])
    assert read(name).lengths.tolist() == [3]
    data = bytearray(IMAGES['png'])
    data[len(data) // 2:len(data) // 2 + 20] = b'\xff' * 20
    (folder / 'imgs/00000492.png').write_bytes(data)
    with pytest.raises(OSError, match=r'00000492\.png .*authors offer the intact file'):
        read(name)


def test_missing_files_are_named(tmp_path, read):
    (tmp_path / 'TNL2K_test_subset').mkdir()
    folder = add(tmp_path / 'TNL2K_test_subset', 'INF_bike', ['00001.jpg', '00002.jpg'])
    with pytest.raises(FileNotFoundError, match=r'(?s)1 of 1 sequences are missing: INF_bike.*subset looks right'):
        read('INF_bike')
    (folder / 'groundtruth.txt').unlink()
    with pytest.raises(FileNotFoundError, match=r'(?s)groundtruth\.txt is missing\n.*imgs/.*found in .*language'):
        TNL2KDataset(tmp_path / 'TNL2K_test_subset', sequences=['INF_bike'], index_dir=None)
