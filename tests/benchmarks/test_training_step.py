"""The benchmark of a training step takes the same steps on all sides, and says which of them ended."""
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

FILE = Path(__file__).parents[2] / 'benchmarks' / 'training_step.py'
SHAPE = dict(width=32, depth=8, heads=2, template=32, search=64, drop_path=0.1, channels=16)


def run(*sides, **environment):
    return subprocess.run(
        [sys.executable, str(FILE), '--shape', json.dumps(SHAPE), '--steps', '1', '--threads', '1', '--sides', *sides],
        capture_output=True, text=True, env=dict(os.environ, **environment), timeout=300)


@pytest.mark.slow
def test_all_sides_start_with_the_same_loss():
    done = run('plain', 'ours', 'ours checkpoint')
    assert done.returncode == 0, done.stderr
    rows = re.findall(r'^\| (plain|ours.*?) \| [\d.]+ s \| [\d.]+ \| [\d,]+ MiB \| [\d.]+ \| ([\d.]+) \|$', done.stdout,
                      re.MULTILINE)
    assert [side for side, _ in rows] == ['plain', 'ours', 'ours checkpoint']
    assert max(losses := [float(loss) for _, loss in rows]) - min(losses) < 1e-4
    assert re.match(r'CPU, 1 threads.*; PyTorch \d', done.stdout)


@pytest.mark.slow
def test_a_side_that_ends_is_named_and_the_others_go_on():
    done = run('plain', 'ours compile', 'ours', CXX='/no/compiler', TORCHINDUCTOR_FORCE_DISABLE_CACHES='1')
    assert done.returncode == 1 and '| ours |' in done.stdout and '| ours compile |' not in done.stdout
    assert done.stderr.splitlines()[-1] == 'ours compile ended at step -3 with exit code 1'
