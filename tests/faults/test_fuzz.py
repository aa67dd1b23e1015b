"""The readers of foreign files, fed with mutated ones."""
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize(('kind', 'count'), [
    *((kind, 40) for kind in ('checkpoint', 'card', 'annotation', 'result')),
    *(pytest.param(kind, 500, marks=pytest.mark.slow) for kind in ('checkpoint', 'card', 'annotation', 'result'))])
def test_mutated_files_are_read_or_refused_by_name(kind, count):
    done = subprocess.run(
        [sys.executable, str(ROOT / 'benchmarks' / 'fuzz_readers.py'), '--count', str(count), '--kinds', kind],
        capture_output=True, text=True, timeout=600, env=dict(os.environ, OMP_NUM_THREADS='1', PYTHONPATH=str(ROOT)))
    assert done.returncode == 0, done.stdout + done.stderr
    assert f'{count} files' in done.stdout
