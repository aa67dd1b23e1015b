"""Files that are whole or not there."""
import os
import subprocess
import sys

import pytest

from ct_mm.engine.whole_file import remove_unfinished, whole_file, write_text


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


@pytest.mark.skipif(os.name != 'posix', reason='other systems cannot tell whether a process lives')
def test_what_dead_processes_left_is_removed_and_what_living_ones_write_only_where_none_may(tmp_path):
    dead = subprocess.Popen([sys.executable, '-c', 'pass'])
    dead.wait(60)
    left = {f'.a.pth.{dead.pid}', f'.a.pth.{10**30}'}
    others = {'a.pth', '.a.pth.7z', f'.b.txt.{dead.pid}', f'a.pth.{dead.pid}'}
    living = f'.a.pth.{os.getpid()}'

    def names():
        return {file.name for file in tmp_path.iterdir()}

    for name in (*left, *others, living):
        (tmp_path / name).touch()
    remove_unfinished(tmp_path, '*.pth', 'c', shared=True)
    assert names() == {*others, living}
    remove_unfinished(tmp_path, '*.pth', 'c')
    assert names() == others
    remove_unfinished(tmp_path / 'nowhere', '*.pth')


@pytest.mark.skipif(os.name != 'posix', reason='other systems cannot tell whether a process lives')
def test_folders_and_files_with_a_suffix_behind_the_number_are_removed_too(tmp_path):
    dead = subprocess.Popen([sys.executable, '-c', 'pass'])
    dead.wait()
    (tmp_path / f'.a.onnx.{dead.pid}').mkdir()
    (tmp_path / f'.a.onnx.{dead.pid}' / 'part').touch()
    (tmp_path / f'.a.{dead.pid}.bin').touch()
    kept = {'a.onnx', f'.b.{dead.pid}.bin', f'.a.{os.getpid()}.bin'}
    for name in kept:
        (tmp_path / name).touch()
    remove_unfinished(tmp_path, 'a', shared=True)
    assert {file.name for file in tmp_path.iterdir()} == kept
