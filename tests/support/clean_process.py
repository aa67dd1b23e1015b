"""Runs functions of tests in processes of their own.

A test must not fork: the child would lack the threads of its parent, and OpenMP would wait for them for ever. These
processes are forked from a server instead, a fresh interpreter with one thread that has imported the slow packages and
has computed nothing. So a process starts in a fraction of a second.
"""
import functools
import multiprocessing
import os
import runpy
import sys
import time
from multiprocessing import forkserver

import pytest
import torch
from unformatted_configs import leave_configs_unformatted


@functools.cache
def clean_context():
    """The multiprocessing context of these processes; starts the server."""
    context = multiprocessing.get_context('forkserver')
    context.set_forkserver_preload(['slow_imports'])
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv('OPENBLAS_NUM_THREADS', '1')  # importing NumPy would start threads
        patch.setenv('PYTHONPATH', os.pathsep.join(filter(None, sys.path)))
        forkserver.ensure_running()
    return context


def run_clean(function, *args, limit=300, threads=1):
    """Calls a function of a test file in a process of its own.

    Args:
        function: A function at the top level of a file; the process imports that file anew.
        args: Its arguments. They are pickled, and so are functions among them only if they can be imported by name.
        limit: Seconds after which the process is killed and the test fails.
        threads: PyTorch's threads, by default as many as tests have; None for those that it takes by itself.

    Returns:
        Its exit status: 1 after an exception, negative for a signal.
    """
    return run_together(function, [args], limit, threads)[0]


def run_together(function, calls, limit=300, threads=1):
    """As :func:`run_clean`, for several processes at once: one for each tuple of arguments."""
    file, name = function.__code__.co_filename, function.__name__
    processes = [clean_context().Process(target=_call, args=(threads, file, name, args)) for args in calls]
    try:
        for process in processes:
            process.start()  # the first one waits for the server
        end = time.monotonic() + limit
        for process in processes:
            process.join(max(0, end - time.monotonic()))
        late = [args for process, args in zip(processes, calls) if process.exitcode is None]
    finally:
        for process in processes:
            if process.pid is not None:
                process.kill()
                process.join()
    assert not late, f'killed: {name} did not end within {limit} s; arguments: {late}'
    return [process.exitcode for process in processes]


def _call(threads, file, name, args):
    if threads is not None:
        torch.set_num_threads(threads)
    leave_configs_unformatted()
    runpy.run_path(file)[name](*args)
