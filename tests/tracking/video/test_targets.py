import pytest

from ct_mm.tracking.video.targets import name_targets, read_box


@pytest.fixture
def file(tmp_path):
    def make(text):
        (tmp_path / 'boxes.txt').write_bytes(text if isinstance(text, bytes) else text.encode())
        return tmp_path / 'boxes.txt'

    return make


def test_the_line_of_the_frame(file):
    path = file('\ufeff1,2,3,4\n5.5\t6\t7\t8\n 9  10 , 11 12 \n\n')
    assert read_box(path, 1).tolist() == [1, 2, 3, 4]
    assert read_box(path, 2).tolist() == [5.5, 6, 7, 8]
    assert read_box(path, 3).tolist() == [9, 10, 11, 12]
    assert read_box(file('1,2,3,4\n'), 7).tolist() == [1, 2, 3, 4], 'a file of one line is the box itself'


@pytest.mark.parametrize('text, frame, message', [
    ('1,2,3,4\n1,2,3,4', 3, r'boxes.txt has 2 lines, so it has no box for frame 3'),
    ('1,2,3,4\n1,2,x,4', 2, r"boxes.txt:2: '1,2,x,4' is not a row of numbers"),
    ('1,2,3', 1, r"boxes.txt:1: '1,2,3' has 3 numbers, not four"),
    ('', 1, 'boxes.txt has 0 lines'),
    (b'\xff\xfe\x00', 1, 'boxes.txt is not a text file'),
])
def test_wrong_files(file, text, frame, message):
    with pytest.raises(ValueError, match=message):
        read_box(file(text), frame)


def test_a_missing_file(tmp_path):
    with pytest.raises(FileNotFoundError, match='file of boxes .*nothing.txt does not exist'):
        read_box(tmp_path / 'nothing.txt', 1)


def test_names():
    assert name_targets(None, 1, 'clip') == ['clip']
    assert name_targets(None, 2, 'clip') == ['clip_1', 'clip_2']
    assert name_targets(['a', 'b'], 2, 'clip') == ['a', 'b']


@pytest.mark.parametrize('names, message', [
    (['a'], 'there are 2 targets, but 1 names: a'),
    (['cat', 'Cat'], 'two targets have the same name'),
    (['a', 'b/c'], "'b/c' is not a valid name of a target"),
    (['a', '.b'], "'.b' is not a valid name"),
    (['a', ''], "'' is not a valid name"),
])
def test_wrong_names(names, message):
    with pytest.raises(ValueError, match=message):
        name_targets(names, 2, 'clip')
