import cv2
import numpy as np
import pytest

from ct_mm.tracking.datasets.benchmarks.uav123 import UAV123Dataset
from ct_mm.tracking.datasets.reading.annotation_io import read_table

JPEG = cv2.imencode('.jpg', np.zeros((80, 140, 3), np.uint8))[1].tobytes()
ROW = '100,50,30,20'


def add(root, video, last, flags=None, **lines):
    """A video of ``last`` frames and the annotations of its parts, each a list of rows or their number."""
    frames, anno = root / 'data_seq/UAV123' / video, root / 'anno/UAV123'
    frames.mkdir(parents=True)
    (anno / 'att').mkdir(parents=True, exist_ok=True)
    for number in range(1, last + 1):
        (frames / f'{number:06d}.jpg').write_bytes(JPEG)
    for name, rows in lines.items():
        (anno / f'{name}.txt').write_text('\n'.join([ROW] * rows if isinstance(rows, int) else rows) + '\n')
        if flags is not None:
            (anno / 'att' / f'{name}.txt').write_text(flags + '\n')


@pytest.fixture
def read(tmp_path):
    """Reads sequences of the miniature in ``tmp_path``."""
    return lambda *names, **kwargs: UAV123Dataset(tmp_path, sequences=names, index_dir=None, **kwargs)


def test_the_table_is_the_published_benchmark():
    rows = read_table('uav123.txt')
    assert len(rows) == len({name for name, *_ in rows}) == 123
    assert sum(int(last) - int(first) + 1 for _, first, last in rows) == 112578  # as the paper counts


def test_parts_of_a_video(tmp_path, read):
    add(tmp_path, 'truck4', 1261, truck4_1=577, truck4_2=685)
    add(tmp_path, 'car2_s', 320, car2_s=320)
    dataset = read('truck4_1', 'truck4_2', 'car2_s')
    assert dataset.names == ['truck4_1', 'truck4_2', 'car2_s'] and dataset.lengths.tolist() == [577, 685, 320]
    second = dataset.get_sequence(1)
    assert second.frame_name(0) == str(tmp_path / 'data_seq/UAV123/truck4/000577.jpg')
    assert second.frame_name(684).endswith('truck4/001261.jpg') and second.boxes[0].tolist() == [100, 50, 30, 20]
    assert dataset.get_sequence(2).frame_name(319).endswith('car2_s/000320.jpg')
    assert dataset.metainfo['benchmark'] == 'uav123' and dataset[2]['data_samples'].image_size == (140, 80)


def test_absent_targets_and_challenges(tmp_path, read):
    add(tmp_path, 'uav6', 109, uav6=[ROW] + ['NaN,NaN,NaN,NaN'] * 2 + [ROW] * 106, flags='1,0,1,1,1,1,0,0,0,0,1,1')
    add(tmp_path, 'uav5', 139, uav5=139, flags=','.join('0' * 12))
    add(tmp_path, 'uav2', 133, uav2=133)
    dataset = read('uav6', 'uav5', 'uav2')
    sequence = dataset.get_sequence(0)
    assert sequence.visible[:4].tolist() == [True, False, False, True] and np.isnan(sequence.boxes[1:3]).all()
    assert sequence.attributes == ('Scale Variation', 'Low Resolution', 'Fast Motion', 'Full Occlusion',
                                   'Partial Occlusion', 'Camera Motion', 'Similar Object')
    assert dataset.get_sequence(1).attributes == () and dataset.get_sequence(2).attributes is None


def test_the_parent_folder_works_too(tmp_path, read):
    add(tmp_path / 'UAV123', 'uav6', 109, uav6=109)
    assert read('uav6').get_sequence(0).frame_name(0).endswith('UAV123/data_seq/UAV123/uav6/000001.jpg')


def test_faults_are_named(tmp_path, read):
    add(tmp_path, 'uav6', 109, uav6=108)
    with pytest.raises(ValueError, match=r'uav6\.txt has 108 lines, but needs 109: uav6 is frames 1 to 109 of'):
        read('uav6')
    truth = tmp_path / 'anno/UAV123/uav6.txt'
    truth.write_text('\n'.join(['NaN,NaN,NaN,NaN', *[ROW] * 108]))
    with pytest.raises(ValueError, match=r'uav6\.txt:1: the box of the first frame'):
        read('uav6')
    truth.write_text('\n'.join([ROW] * 109))
    (tmp_path / 'anno/UAV123/att/uav6.txt').write_text('1,0,1\n')
    with pytest.raises(ValueError, match=r'att/uav6\.txt must hold 12 flags'):
        read('uav6')
    (tmp_path / 'anno/UAV123/att/uav6.txt').unlink()
    (tmp_path / 'data_seq/UAV123/uav6/000050.jpg').unlink()
    with pytest.raises(OSError, match=r'uav6 has no 000050\.jpg: 1 of 109'):
        read('uav6')


def test_missing_files_are_named(tmp_path, read):
    (tmp_path / 'Dataset_UAV123.zip').touch()
    with pytest.raises(FileNotFoundError,
                       match=r'(?s)data_seq/UAV123 or anno/UAV123 is missing.*91 folders.*zip is an archive'):
        read('uav6')
    add(tmp_path, 'uav6', 109, uav6=109)
    with pytest.raises(FileNotFoundError, match='1 of 2 sequences are missing: uav7'):
        read('uav6', 'uav7')
    with pytest.raises(FileNotFoundError, match=f'(?s){tmp_path} looks right: set data_root to it'):
        UAV123Dataset(tmp_path / 'anno', index_dir=None)
