"""What a measurement asks of the machine."""
import os
import subprocess
import sys
from pathlib import Path

import pytest

from ct_mm.deployment.speed import machine

ROOT = Path(__file__).resolve().parents[3]


def run(code):
    """Runs code in a process of its own, for what it changes cannot be undone."""
    code = f'import sys; sys.path.insert(0, {str(ROOT)!r})\nfrom ct_mm.deployment.speed import machine\n{code}'
    done = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True, check=True, timeout=60)
    return done.stdout.strip()


def test_more_threads_than_cpus_are_refused():
    with pytest.raises(ValueError, match='threads need as many CPUs'):
        machine.pin_process(len(machine.usable_cpus()) + 1)


@pytest.mark.skipif(not hasattr(os, 'sched_setaffinity'), reason='this system cannot pin processes')
def test_a_pinned_process_has_the_cpus_that_it_says():
    assert run('import os; print(machine.pin_process(1) == sorted(os.sched_getaffinity(0)))') == 'True'


@pytest.mark.skipif(not hasattr(os, 'sched_getaffinity'), reason='this system cannot pin processes')
def test_one_cpu_of_each_core_comes_first(monkeypatch):
    monkeypatch.setattr(os, 'sched_getaffinity', lambda _: {0, 1, 2, 3})
    monkeypatch.setattr(Path, 'is_file', lambda path: True)
    monkeypatch.setattr(Path, 'read_text', lambda path: '0-1\n' if path.parts[-3] in ('cpu0', 'cpu1') else '2-3\n')
    assert machine.usable_cpus() == [0, 2, 1, 3]


@pytest.mark.skipif(machine.peak_memory() is None, reason='this system does not tell memory')
def test_the_peak_of_memory_does_not_go_down():
    before, after = map(int, run(
        'before = machine.peak_memory()\nblock = bytearray(b"x" * (64 << 20))\ndel block\n'
        'print(before, machine.peak_memory())').split())
    assert after - before > 60 << 20


@pytest.mark.skipif(not os.path.exists('/proc/stat'), reason='this system does not tell how busy it is')
def test_work_shows_in_the_busy_seconds():
    gone = float(run('import time\nstart = machine.busy_seconds()\nwhile time.process_time() < 0.5: pass\n'
                     'print(machine.busy_seconds() - start)'))
    assert gone > 0.2


def test_the_cpu_in_words():
    assert f'{len(machine.usable_cpus())} CPUs' in machine.describe_cpu()


def test_priority_that_is_not_to_be_had_is_an_error(monkeypatch):
    def refuse(*_):
        raise PermissionError('not you')

    monkeypatch.setattr(os, 'sched_setscheduler', refuse, raising=False)
    with pytest.raises(ValueError, match='real-time priority is not available here'):
        machine.take_priority()


@pytest.mark.skipif(not hasattr(os, 'sched_getscheduler'), reason='this system has no schedulers to choose')
def test_asking_for_priority_changes_nothing():
    assert run('import os\nbefore = os.sched_getscheduler(0)\nmachine.may_take_priority()\n'
               'print(os.sched_getscheduler(0) == before)') == 'True'
