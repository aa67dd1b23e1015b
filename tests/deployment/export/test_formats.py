"""Files that get their name when they are whole, and what a killed process leaves."""
import os
import subprocess
import sys

import pytest

from ct_mm.deployment.export.formats import write_whole

DIES = """
import os, pathlib, sys
from ct_mm.deployment.export.formats import write_whole

def write(temporary):
    temporary.write_text('half')
    temporary.with_suffix('.bin').write_text('half')
    (temporary.parent / 'tmp_of_a_library').mkdir()
    os.kill(os.getpid(), 9)

write_whole(write, pathlib.Path(sys.argv[1]))
"""


def _write(temporary):
    temporary.write_text('network')
    temporary.with_suffix('.bin').write_text('weights')


@pytest.mark.skipif(os.name != 'posix', reason='kills a process')
def test_the_next_run_removes_what_a_killed_one_left(tmp_path):
    path = tmp_path / 's.xml'
    process = subprocess.Popen([sys.executable, '-c', DIES, str(path)])
    assert process.wait(300) == -9 and not path.exists() and len(list(tmp_path.iterdir())) == 1
    (tmp_path / f'.s.{process.pid}.bin').touch()  # as an earlier version left it
    write_whole(_write, path)
    assert {file.name: file.read_text() for file in tmp_path.iterdir()} == {'s.xml': 'network', 's.bin': 'weights'}


def test_after_an_error_nothing_is_left_but_what_was_there(tmp_path):
    write_whole(_write, tmp_path / 's.xml')

    def fail(temporary):
        _write(temporary)
        raise RuntimeError

    with pytest.raises(RuntimeError):
        write_whole(fail, tmp_path / 's.xml')
    assert {file.name for file in tmp_path.iterdir()} == {'s.xml', 's.bin'}


def test_the_next_run_removes_folders_that_earlier_versions_left_and_no_others(tmp_path):
    for name, held in (('tmpab12_xyz', ['plain.onnx', 'prepared.onnx']), ('tmpother123', []),
                       ('tmpmine_123', ['plain.onnx', 'mine.txt']), ('tmpshort', ['plain.onnx'])):
        (tmp_path / name).mkdir()
        for file in held:
            (tmp_path / name / file).write_text('x')
    write_whole(lambda path: path.write_text('done'), tmp_path / 's.onnx')
    assert sorted(file.name for file in tmp_path.iterdir()) == ['s.onnx', 'tmpmine_123', 'tmpother123', 'tmpshort']
