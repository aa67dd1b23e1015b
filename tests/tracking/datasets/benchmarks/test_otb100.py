import cv2
import numpy as np
import pytest

from ct_mm.tracking.datasets.benchmarks.otb100 import OTB100Dataset
from ct_mm.tracking.datasets.reading.annotation_io import read_table

JPEG = cv2.imencode('.jpg', np.zeros((8, 12, 3), np.uint8))[1].tobytes()


def add(root, name, numbers, lines, *, digits=4, suffix='.jpg', truth='groundtruth_rect.txt', separator=','):
    """A folder of the archive; line i of its annotation, counted from 0, has x = i."""
    folder = root / name
    (folder / 'img').mkdir(parents=True, exist_ok=True)
    for number in numbers:
        (folder / 'img' / f'{number:0{digits}d}{suffix}').write_bytes(JPEG)
    rows = [separator.join(map(str, (i, 5, 30, 40))) for i in range(lines)]
    (folder / truth).write_text('\r\n'.join(rows) + '\r\n')
    return folder


@pytest.fixture
def read(tmp_path):
    """Reads targets of the miniature in ``tmp_path``."""
    return lambda *names, **kwargs: OTB100Dataset(tmp_path, sequences=names, index_dir=None, **kwargs)


def test_the_table_is_the_published_benchmark():
    rows = read_table('otb100.txt')
    assert len(rows) == len({name for name, *_ in rows}) == 100
    assert len({name.partition('_')[0] for name, *_ in rows}) == 98
    # The paper counts 59,040 frames, five of which are Tiger1's unused ones.
    assert sum(int(last) - int(first) + 1 for _, first, last, _ in rows) == 59040 - 5


@pytest.mark.parametrize('name, present, used', [
    ('David', (1, 770), (300, 770)),
    ('Football1', (1, 81), (1, 74)),
    ('Freeman3', (1, 474), (1, 460)),
    ('Freeman4', (1, 297), (1, 283)),
    ('Diving', (1, 231), (1, 215)),
    ('BlurCar3', (3, 359), (3, 359)),
    ('BlurCar4', (18, 397), (18, 397)),
])
def test_frames_that_are_used(tmp_path, read, name, present, used):
    add(tmp_path, name, range(present[0], present[1] + 1), used[1] - used[0] + 1)
    sequence = read(name).get_sequence(0)
    assert sequence.frame_name(0) == str(tmp_path / name / 'img' / f'{used[0]:04d}.jpg')
    assert sequence.frame_name(len(sequence) - 1).endswith(f'{used[1]:04d}.jpg')
    assert len(sequence) == used[1] - used[0] + 1
    assert sequence.boxes[:, 0].tolist() == list(range(len(sequence)))  # unchanged, from the first line on


def test_tiger1_starts_at_its_sixth_line(tmp_path, read):
    add(tmp_path, 'Tiger1', range(1, 355), 354)
    sequence = read('Tiger1').get_sequence(0)
    assert len(sequence) == 349 and sequence.frame_name(0).endswith('0006.jpg')
    assert sequence.boxes[0].tolist() == [5, 5, 30, 40]


def test_several_targets_in_a_video(tmp_path, read):
    add(tmp_path, 'Jogging', range(1, 308), 307, truth='groundtruth_rect.1.txt', separator='\t')
    (tmp_path / 'Jogging' / 'groundtruth_rect.2.txt').write_text('7 5 30 40\n' * 307)
    add(tmp_path, 'Human4', range(1, 668), 667, truth='groundtruth_rect.2.txt')
    (tmp_path / 'Human4' / 'groundtruth_rect.1.txt').touch()  # empty in the archive
    dataset = read('Jogging_1', 'Jogging_2', 'Human4_2')
    assert dataset.names == ['Jogging_1', 'Jogging_2', 'Human4_2'] and dataset.lengths.tolist() == [307, 307, 667]
    first, second, _ = map(dataset.get_sequence, range(3))
    assert first.frames == second.frames and first.boxes[1, 0] == 1 and second.boxes[1, 0] == 7
    assert first.attributes == ('Occlusion', 'Deformation', 'Out-of-Plane Rotation')


def test_differing_image_names(tmp_path, read):
    add(tmp_path, 'Board', range(1, 699), 698, digits=5)
    add(tmp_path, 'KiteSurf', range(1, 85), 84, suffix='.png')
    dataset = read('Board', 'KiteSurf')
    assert dataset.get_sequence(0).frame_name(697).endswith('00698.jpg')
    assert dataset.get_sequence(1).frame_name(83).endswith('0084.png')
    add(tmp_path, 'KiteSurf', range(1, 85), 84)
    with pytest.raises(ValueError, match=r'contains the same frame twice, as 0001\.jpg and as 0001\.png'):
        read('KiteSurf')


def test_metainfo_and_attributes(tmp_path, read):
    add(tmp_path, 'Deer', range(1, 72), 71, separator=' ')
    item = read('Deer')[0]
    assert read('Deer').metainfo['benchmark'] == 'otb100'
    assert item['data_samples'].image_size == (12, 8) and item['data_samples'].attributes[0] == 'Motion Blur'


def test_faults_are_named(tmp_path, read):
    folder = add(tmp_path, 'Deer', [number for number in range(1, 72) if number not in (7, 9)], 71)
    with pytest.raises(ValueError, match=r'img has no frame 7; 2 of frames 1 to 71'):
        read('Deer')
    add(tmp_path, 'Deer', range(1, 72), 70)
    with pytest.raises(ValueError, match=r'groundtruth_rect\.txt has 70 lines, but needs 71: Deer'):
        read('Deer')
    add(tmp_path, 'Tiger1', range(1, 355), 354)
    truth = tmp_path / 'Tiger1' / 'groundtruth_rect.txt'
    truth.write_text(truth.read_text().replace('5,5,30,40', '5,5,0,40', 1))
    with pytest.raises(ValueError, match=r'groundtruth_rect\.txt:6: the box of the first frame'):
        read('Tiger1')
    (folder / 'groundtruth_rect.txt').unlink()
    with pytest.raises(FileNotFoundError, match=r'(?s)rect\.txt is missing\n.*Basketball/.*found in .*img/'):
        read('Deer')


def test_mistakes_in_unpacking_are_named(tmp_path, read):
    (tmp_path / 'Deer.zip').touch()
    with pytest.raises(FileNotFoundError, match=r'(?s)1 of 1 sequences are missing: Deer.*Deer\.zip is an archive'):
        read('Deer')
    add(tmp_path / 'Deer', 'Deer', range(1, 72), 71)
    with pytest.raises(FileNotFoundError,
                       match=r'img is missing; .* one folder too deep: move the content of .*Deer/Deer up'):
        read('Deer')
    with pytest.raises(FileNotFoundError,
                       match='99 of 100 sequences are missing: Basketball, Biker.*; set `sequences='):
        OTB100Dataset(tmp_path, index_dir=None)
