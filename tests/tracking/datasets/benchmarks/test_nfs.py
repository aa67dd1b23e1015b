import cv2
import numpy as np
import pytest

from ct_mm.tracking.datasets.benchmarks.nfs import NfSDataset
from ct_mm.tracking.datasets.reading.annotation_io import read_table

JPEG = cv2.imencode('.jpg', np.zeros((8, 12, 3), np.uint8))[1].tobytes()


def write_frames(folder, count):
    folder.mkdir(parents=True)
    for number in range(1, count + 1):
        (folder / f'{number:05d}.jpg').write_bytes(JPEG)


def add(root, name, frames, lines, fps=30, first=0):
    """A sequence of the official archive; the box of line i, counted from 0, begins at x = i."""
    write_frames(root / name / str(fps) / name, frames)
    rows = [f'0 {i} 20 {i + 30} 60 {i + first} {int(i == 1)} {int(i == 2)} {i % 2} "soccer ball"' for i in range(lines)]
    (root / name / str(fps) / f'{name}.txt').write_text('\n'.join(rows) + '\n')


@pytest.fixture
def read(tmp_path):
    """Reads one sequence of the miniature in ``tmp_path``."""
    return lambda name, **kwargs: NfSDataset(tmp_path, sequences=[name], index_dir=None, **kwargs)


def test_the_table_has_the_published_sequences():
    rows = read_table('nfs.txt')
    assert len(rows) == len({name for name, _ in rows}) == 100
    assert abs(8 * sum(int(length) for _, length in rows) - 383000) < 1000  # the paper counts 383 thousand at 240 fps


def test_corners_become_boxes_and_every_eighth_line_counts(tmp_path, read):
    add(tmp_path, 'motorcross', 39, 39 * 8, first=1)
    dataset = read('motorcross')
    sequence = dataset.get_sequence(0)
    assert sequence.boxes.tolist() == [[8 * i, 20, 30, 40] for i in range(39)] and sequence.visible.all()
    assert sequence.frame_name(38) == str(tmp_path / 'motorcross/30/motorcross/00039.jpg')
    assert dataset.metainfo['benchmark'] == 'nfs' and dataset.metainfo['split'] == '30fps'


@pytest.mark.parametrize('fps, frames, lines, step, used', [
    (30, 39, 306, 8, 39),  # only two lines belong to the last frame
    (30, 39, 297, 8, 38),  # one line is missing: the last frame has no box
    (30, 39, 313, 8, 39),  # a surplus line
    (30, 39, 39, 1, 39),
    (240, 50, 50, 1, 50),
    (240, 50, 51, 1, 50),
    (240, 51, 50, 1, 50),
])
def test_one_more_or_less(tmp_path, read, fps, frames, lines, step, used):
    add(tmp_path, 'motorcross', frames, lines, fps)
    sequence = read('motorcross', fps=fps).get_sequence(0)
    assert sequence.boxes[:, 0].tolist() == [step * i for i in range(used)]
    assert len(sequence.frames) == used and sequence.frame_name(used - 1).endswith(f'{used:05d}.jpg')


@pytest.mark.parametrize('fps, frames, lines', [(30, 39, 400), (30, 39, 99), (240, 50, 52), (240, 39, 312), (30, 9, 0)])
def test_mismatched_lengths(tmp_path, read, fps, frames, lines):
    add(tmp_path, 'motorcross', frames, lines, fps)
    with pytest.raises(ValueError, match=rf'motorcross\.txt has {lines} lines, but there are {frames} frames'):
        read('motorcross', fps=fps)


def test_each_frame_rate_has_its_own_index(tmp_path):
    add(tmp_path, 'motorcross', 39, 39 * 8)
    add(tmp_path, 'motorcross', 39 * 8, 39 * 8, fps=240)
    kwargs = dict(data_root=tmp_path, sequences=['motorcross'], index_dir=tmp_path / 'index')
    for _ in range(2):
        assert NfSDataset(**kwargs).lengths.tolist() == [39]
        assert NfSDataset(fps=240, **kwargs).lengths.tolist() == [312]


def test_the_archive_of_pytracking(tmp_path, read):
    write_frames(tmp_path / 'sequences/motorcross', 40)  # one more than PyTracking uses
    (tmp_path / 'anno').mkdir()
    truth = tmp_path / 'anno/nfs_motorcross.txt'
    truth.write_text('5.5\t20\t30\t40\n' * 39)
    sequence = read('motorcross').get_sequence(0)
    assert sequence.name == 'motorcross' and len(sequence) == 39 and sequence.boxes[38].tolist() == [5.5, 20, 30, 40]
    assert sequence.frame_name(38).endswith('sequences/motorcross/00039.jpg')
    truth.write_text('5.5\t20\t30\t40\n' * 38)
    with pytest.raises(ValueError, match=r'nfs_motorcross\.txt has 38 lines, but the sequence has 39 frames'):
        read('motorcross')
    with pytest.raises(ValueError, match='fps=240, but .* 30 fps only'):
        read('motorcross', fps=240)


def test_faults_are_named(tmp_path, read):
    add(tmp_path, 'motorcross', 39, 39)
    truth = tmp_path / 'motorcross/30/motorcross.txt'
    truth.write_text(truth.read_text().replace('0 3 20', '0 x 20'))
    with pytest.raises(ValueError, match=r'motorcross\.txt:4: .*track x1 y1 x2 y2'):
        read('motorcross')
    truth.write_text('0 1 2 3\n')
    with pytest.raises(ValueError, match=r'motorcross\.txt:1'):
        read('motorcross')
    truth.write_text('0 9 9 9 20 0 0 0 0 "a"\n' * 39)
    with pytest.raises(ValueError, match=r'motorcross\.txt:1: the box of the first frame'):
        read('motorcross')
    with pytest.raises(ValueError, match='fps must be 30 or 240, got 60'):
        read('motorcross', fps=60)


def test_mistakes_in_unpacking_are_named(tmp_path, read):
    (tmp_path / 'yoyo.zip').touch()
    with pytest.raises(FileNotFoundError, match=r'(?s)1 of 1 sequences are missing: yoyo.*yoyo\.zip is an archive'):
        read('yoyo')
    add(tmp_path / 'yoyo', 'yoyo', 67, 67 * 8)
    (tmp_path / 'yoyo/__MACOSX').mkdir()
    with pytest.raises(FileNotFoundError,
                       match=r'(?s)30/yoyo is missing; .* deep: move the content of .*yoyo/yoyo up\n.*__MACOSX/'):
        read('yoyo')
