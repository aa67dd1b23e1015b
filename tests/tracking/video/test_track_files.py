import resource

import numpy as np
import pytest

from ct_mm.tracking.video.track_files import TrackFiles

BOXES = np.array([[1, 2, 3, 4], [5.123456, 6, 7, 8]])
SCORES = np.array([1, 0.25])


def content(folder):
    return {path.relative_to(folder).as_posix(): path.read_text() for path in folder.rglob('*') if path.is_file()}


def test_lines_are_on_the_disk_at_once_and_get_their_names_at_the_end(tmp_path):
    folder = tmp_path / 'new' / 'out'
    with TrackFiles(folder, ['a', 'b']) as files:
        files.write(BOXES, SCORES)
        found = content(folder)
        assert '5.1235,6.0000,7.0000,8.0000\n' in found.values() and not {'a.txt', 'b.txt'} & set(found)
        files.write(BOXES + 1, SCORES)
    assert content(folder) == {
        'a.txt': '1.0000,2.0000,3.0000,4.0000\n2.0000,3.0000,4.0000,5.0000\n',
        'b.txt': '5.1235,6.0000,7.0000,8.0000\n6.1235,7.0000,8.0000,9.0000\n',
        'scores/a.txt': '1.0000\n1.0000\n',
        'scores/b.txt': '0.2500\n0.2500\n'}
    assert [path.relative_to(folder).as_posix() for path in files.paths] == list(
        ('a.txt', 'scores/a.txt', 'b.txt', 'scores/b.txt'))


@pytest.mark.parametrize('error', [RuntimeError, KeyboardInterrupt])
def test_an_error_keeps_what_there_is(tmp_path, error):
    with pytest.raises(error), TrackFiles(tmp_path, ['a']) as files:
        files.write(BOXES[:1], SCORES[:1])
        raise error
    assert content(tmp_path) == {'a.txt': '1.0000,2.0000,3.0000,4.0000\n', 'scores/a.txt': '1.0000\n'}


def test_without_a_frame_older_files_stay(tmp_path):
    (tmp_path / 'a.txt').write_text('older')
    with pytest.raises(RuntimeError), TrackFiles(tmp_path, ['a']):
        raise RuntimeError
    assert content(tmp_path) == {'a.txt': 'older'} and not (tmp_path / 'scores').exists()


def test_without_a_frame_no_folder_stays_that_was_not_there(tmp_path):
    (tmp_path / 'empty').mkdir()
    for folder in ('empty/new/deep', 'empty'):
        with TrackFiles(tmp_path / folder, ['a', 'b']):
            pass
    assert [path.name for path in tmp_path.rglob('*')] == ['empty']


@pytest.mark.parametrize('bytes_left', [70, 90, 100])
def test_a_full_disk_leaves_whole_frames(tmp_path, bytes_left):
    # A limit on the size of a file does what a full disk does: the line is written in part, and then not at all.
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    try:
        with pytest.raises(OSError), TrackFiles(tmp_path, ['a', 'b']) as files:
            resource.setrlimit(resource.RLIMIT_FSIZE, (bytes_left, before[1]))
            for _ in range(9):
                files.write(BOXES, SCORES)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert {text.count('\n') for text in content(tmp_path).values()} == {bytes_left // 28}
    assert all(text.endswith('\n') for text in content(tmp_path).values())


def test_a_folder_that_cannot_be_written_to_is_noticed_at_the_start(tmp_path):
    (tmp_path / 'file').touch()
    with pytest.raises(OSError, match='file'), TrackFiles(tmp_path / 'file' / 'out', ['a']):
        pytest.fail('the block must not begin')
    (tmp_path / 'out' / 'b.txt').mkdir(parents=True)
    with pytest.raises(IsADirectoryError, match='b.txt is a folder'), TrackFiles(tmp_path / 'out', ['a', 'b']):
        pytest.fail('the block must not begin')
    assert content(tmp_path) == {'file': ''}
