"""One training at a time in a work dir, and no lock of a process that is gone."""
import errno
import os
import signal
import subprocess
import sys
from contextlib import nullcontext
from types import SimpleNamespace

import pytest

from ct_mm.engine.loops import GuardedEpochLoop
from ct_mm.engine.work_dir_lock import only_training_in

HOLDS = """
import multiprocessing, sys, time
from ct_mm.engine.loops import GuardedEpochLoop
from ct_mm.engine.work_dir_lock import only_training_in
with only_training_in(sys.argv[1]):
    # as a data worker that outlives the training; this interpreter has computed nothing
    multiprocessing.Process(target=time.sleep, args=(60, )).start()
    print('locked', flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def other(tmp_path):
    process = subprocess.Popen([sys.executable, '-c', HOLDS, tmp_path], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                               start_new_session=True)
    assert process.stdout.readline() == b'locked\n'
    yield process
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
    process.wait(60)


def test_a_second_training_is_refused_and_a_killed_one_leaves_no_lock(other, tmp_path):
    with pytest.raises(ValueError, match=rf'another training is running in .* \(process {other.pid} on .*--work-dir'):
        with only_training_in(tmp_path):
            pass
    other.send_signal(signal.SIGKILL)
    other.wait(60)
    for _ in range(2):  # its worker lives on; and one process may train there again
        with only_training_in(tmp_path):
            pass


def test_a_training_takes_the_lock_and_gives_it_back(tmp_path, monkeypatch):
    seen = []

    class Loop(GuardedEpochLoop):

        def __init__(self):
            self._runner, self.signals, self.dataloader = SimpleNamespace(work_dir=tmp_path), nullcontext(), None

        def train(self):
            seen.append((tmp_path / 'training.lock').read_text())

    monkeypatch.setattr('ct_mm.engine.loops.guarded_loop.deaths_explained', nullcontext)
    Loop().run()
    assert seen[0].startswith(f'process {os.getpid()} on ') and not list(tmp_path.iterdir())


def test_where_there_are_no_locks_a_training_runs_with_a_warning(tmp_path, monkeypatch):
    def no_locks(*_):
        raise OSError(errno.ENOLCK, 'No locks available')

    monkeypatch.setattr('fcntl.lockf', no_locks)
    told = []
    monkeypatch.setattr('ct_mm.engine.work_dir_lock.print_log', lambda text, *_: told.append(text))
    with only_training_in(tmp_path):
        pass
    assert len(told) == 1 and 'training.lock cannot be locked' in told[0] and 'No locks available' in told[0]
