"""Files that are whole or not there."""
import pytest

from ct_mm.whole_file import whole_file, write_text


def test_a_file_appears_when_it_is_done(tmp_path):
    path = tmp_path / 'new' / 'a.txt'
    with whole_file(path) as unfinished:
        unfinished.write_text('half')
        assert not path.exists()
    assert [file.name for file in path.parent.iterdir()] == ['a.txt'] and path.read_text() == 'half'


def test_after_an_error_the_earlier_file_is_as_it_was(tmp_path):
    path = write_text(tmp_path / 'a.txt', 'Übung\n')
    with pytest.raises(RuntimeError), whole_file(path) as unfinished:
        unfinished.write_text('half')
        raise RuntimeError
    assert [file.name for file in tmp_path.iterdir()] == ['a.txt'] and path.read_bytes() == 'Übung\n'.encode()
