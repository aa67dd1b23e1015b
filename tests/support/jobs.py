"""Starts jobs of several processes by the commands that users type, and waits for them in bounded time."""
import os
import signal
import socket
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
TORCHRUN = [sys.executable, '-m', 'torch.distributed.run']


@dataclass
class Ended:
    """How a command ended."""

    status: int
    out: str
    err: str

    @property
    def errors(self):
        """The lines in which the project tells what went wrong."""
        return [line for line in self.err.splitlines() if line.startswith('error: ')]


def free_port():
    """A port that nobody uses now."""
    with socket.socket() as one:
        one.bind(('127.0.0.1', 0))
        return str(one.getsockname()[1])


def start(argv, folder, **variables):
    """Starts a command in a folder, as a process group of its own; its output goes to files in that folder."""
    clean = {key: value for key, value in os.environ.items()
             if not key.startswith(('TORCHELASTIC', 'SLURM', 'PYTEST'))
             and key not in ('RANK', 'WORLD_SIZE', 'LOCAL_RANK', 'MASTER_ADDR', 'MASTER_PORT')}
    path = os.pathsep.join([str(ROOT), str(ROOT / 'tests' / 'support')])
    number = sum(1 for _ in folder.glob('*.out'))
    with open(folder / f'{number}.out', 'w') as out, open(folder / f'{number}.err', 'w') as err:
        process = subprocess.Popen(
            argv, cwd=folder, stdout=out, stderr=err, start_new_session=True,
            env=dict(clean, PYTHONPATH=path, OMP_NUM_THREADS='1', GLOO_SOCKET_IFNAME='lo', **variables))
    process.files = folder / f'{number}.out', folder / f'{number}.err'
    return process


def end(*processes, limit=240):
    """Waits for commands; kills them after the limit and fails. Returns how each ended."""
    try:
        for process in processes:
            process.wait(limit)
    finally:
        for process in processes:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGTERM)  # torchrun ends its processes
        for process in processes:
            try:
                process.wait(60)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait(60)
    ended = [Ended(process.returncode, *(file.read_text() for file in process.files)) for process in processes]
    return ended if len(ended) > 1 else ended[0]


def torchrun(folder, *argv, options=(), **variables):
    """Runs a module as two processes of one machine."""
    return end(start([*TORCHRUN, '--nproc-per-node', '2', '--master-port', free_port(), *options, '-m', *argv,
                      '--launcher', 'pytorch', '--device', 'cpu'], folder, **variables))
