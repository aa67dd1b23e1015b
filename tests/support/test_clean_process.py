"""Processes for tests start without threads, end in time, and say how they ended."""
import os
import signal
import sys
import time
from pathlib import Path

import pytest
import torch
from clean_process import clean_context, run_clean, run_together


def note(file):
    file.write_text(str(torch.get_num_threads()))
    if sys.platform == 'linux':
        assert [len(list(Path(f'/proc/{pid}/task').iterdir())) for pid in ('self', os.getppid())] == [1, 1]


def end_as(status, barrier=None):
    if barrier is not None:
        barrier.wait()
    if status is None:
        time.sleep(600)
    if status < 0:
        os.kill(os.getpid(), -status)
    sys.exit(status)


def test_it_and_the_server_have_one_thread_though_this_process_has_computed(tmp_path):
    torch.ones(400, 400) @ torch.ones(400, 400)
    assert run_clean(note, tmp_path / 'one') == run_clean(note, tmp_path / 'own', threads=None) == 0
    assert (tmp_path / 'one').read_text() == '1'


@pytest.mark.parametrize('status', [0, 75, -signal.SIGKILL])
def test_its_exit_status(status):
    assert run_clean(end_as, status) == status


def test_several_run_at_once():
    barrier = clean_context().Barrier(2)
    assert run_together(end_as, [(0, barrier), (3, barrier)]) == [0, 3]


def test_one_that_does_not_end_is_killed_and_named():
    with pytest.raises(AssertionError, match=r'killed: end_as did not end within 1 s; arguments: \[\(None,\)\]'):
        run_clean(end_as, None, limit=1)
