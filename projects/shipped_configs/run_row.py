"""Runs a row: a plain training, its compression, and a test of the exported student without ct_mm."""
from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

from .compare import Outcome, compare
from .rows import Row
from .toy_config import write_configs
from .toy_data import write_toy_data

PROJECTS = Path(__file__).resolve().parents[1]
#: Makes any import of ct_mm an error, then runs a script.
WITHOUT = "import runpy, sys; sys.modules['ct_mm'] = None; sys.argv = sys.argv[1:]; runpy.run_path(sys.argv[0], " \
          "run_name='__main__')"


def run_row(row: Row, folder: Path, host: str | None = None) -> Outcome:
    """Compresses a shipped config with its library's own training script and compares.

    Args:
        row: The row.
        folder: An empty folder.
        host: Python of an environment with the library and without ct_mm; by default the exported student is tested
            with this one, in which ct_mm is hidden.

    Returns:
        The outcome.

    Raises:
        RuntimeError: If a script ends with an error; the message has the end of its output.
    """
    write_toy_data(folder, row.library)
    write_configs(row, folder, lambda name: str(folder / f'{name}.json'))
    tools = Path(importlib.util.find_spec(row.library).origin).parent / '.mim' / 'tools'
    run = _Runs(folder)
    run([sys.executable, str(tools / 'train.py'), 'plain.py'])
    last = Path((folder / 'work_dirs' / 'plain' / 'last_checkpoint').read_text().strip())
    last.rename(folder / 'teacher.pth')
    run([sys.executable, str(tools / 'train.py'), 'compressed.py'])
    student = folder / 'work_dirs' / 'compressed' / 'student'
    test = ['student.py', 'student.pth', '--work-dir', 'tested']
    for name in test[:2]:
        (student / name).rename(folder / name)
    if host is None:
        run([sys.executable, '-c', WITHOUT, str(tools / 'test.py'), *test])
    else:
        find = 'import importlib.util as u; print(u.find_spec("ct_mm"), u.find_spec("%s").origin, sep="\\n")'
        there, origin = run([host, '-c', find % row.library], only=True).split('\n')[:2]
        if there != 'None':
            raise RuntimeError(f'{host} can import ct_mm: {there}')
        run([host, str(Path(origin).parent / '.mim' / 'tools' / 'test.py'), *test], only=True)
    scores = json.loads(next((folder / 'tested').glob('*/*.json')).read_text())
    plain, compressed = (json.loads((folder / f'{name}.json').read_text()) for name in ('plain', 'compressed'))
    return compare(row, plain, compressed, (folder / 'student.py').read_text(), scores)


class _Runs:
    """Runs commands in a folder, each with one thread and no network, and returns what they print."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __call__(self, command: list[str], only: bool = False) -> str:
        """Runs a command; with ``only``, nothing but these projects is added to what its Python can import."""
        paths = [str(PROJECTS), *([] if only else os.environ.get('PYTHONPATH', '').split(os.pathsep))]
        environment = dict(os.environ, PYTHONPATH=os.pathsep.join(filter(None, paths)), OMP_NUM_THREADS='1',
                           PYTHONWARNINGS='ignore', HF_HUB_OFFLINE='1')
        done = subprocess.run(command, cwd=self.folder, env=environment, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True, timeout=3600)
        if done.returncode:
            raise RuntimeError(f'{" ".join(command[-2:])} ended with an error:\n{done.stdout[-3000:]}')
        return done.stdout
