import numpy as np
import pytest

from ct_mm.tracking.datasets.reading.annotation_io import read_lines, read_numbers, read_series


def test_rows_with_any_separator(tmp_path):
    path = tmp_path / 'boxes.txt'
    for text in ('1,2,3,4\n5,6,7,8', '1\t2\t3\t4\r\n5\t6\t7\t8\r\n', ' 1 2  3 4\n5 6 7 8 \n\n', '1, 2,3 ,4\n5\t6 7,8'):
        path.write_bytes(b'\xef\xbb\xbf' + text.encode())  # some editors put a byte order mark in front
        np.testing.assert_array_equal(read_numbers(path, columns=4), [[1, 2, 3, 4], [5, 6, 7, 8]])


def test_absent_targets(tmp_path):
    path = tmp_path / 'boxes.txt'
    path.write_text('1,2,3,4\nNaN,NaN,NaN,NaN\nnan\tnan nan,NaN\n')
    np.testing.assert_array_equal(read_numbers(path, columns=4), [[1, 2, 3, 4], [np.nan] * 4, [np.nan] * 4])


@pytest.mark.parametrize('text, message', [
    ('1,2,3,4\n1,2,3\n', r"boxes\.txt:2: '1,2,3' has 3 numbers, .* 4 \(x, y, width, height\)"),
    ('1,2,3,4\n\n1,2,3,4', r'boxes\.txt:2: .* not a row of numbers'),
    ('1,2,3,4\n1,two,3,4', r"boxes\.txt:2: '1,two,3,4' is not a row"),
    ('1,2,3,4,\n', r'boxes\.txt:1'),
    ('# x y w h\n1 2 3 4', r'boxes\.txt:1'),
    ('\n \n', r'boxes\.txt is empty'),
])
def test_faulty_rows_are_named(tmp_path, text, message):
    path = tmp_path / 'boxes.txt'
    path.write_text(text)
    with pytest.raises(ValueError, match=message):
        read_numbers(path, columns=4)


def test_series_in_one_line_or_in_one_column(tmp_path):
    path = tmp_path / 'flags.txt'
    for text in ('0,1,1,0\n', '0\n1\n1\n0\n', '0, 1\n1, 0', '0 1\t1 0'):
        path.write_text(text)
        assert read_series(path).tolist() == [0, 1, 1, 0]
    for text, message in (('0,1\n1,x', r"flags\.txt:2: '1,x'"), ('', 'is empty'), ('0,1,', r'flags\.txt:1')):
        path.write_text(text)
        with pytest.raises(ValueError, match=message):
            read_series(path)


def test_files_that_are_not_text(tmp_path):
    (tmp_path / 'image.txt').write_bytes(b'\xff\xd8\xff\xe0')
    with pytest.raises(ValueError, match=r'image\.txt is not a text file'):
        read_lines(tmp_path / 'image.txt')
    with pytest.raises(FileNotFoundError):
        read_lines(tmp_path / 'none.txt')
