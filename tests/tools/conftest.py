"""Results of two trackers on the clip that ships with ct_mm."""
import runpy
from pathlib import Path

import numpy as np
import pytest

from ct_mm.package_files import resolve_path
from ct_mm.tracking.evaluation.results.result_folder import ResultFolder

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def run_tool():
    """Runs ``main`` of a script below ``tools/`` with arguments."""
    return lambda script, *args: runpy.run_path(str(ROOT / 'tools' / script))['main']([str(arg) for arg in args])


@pytest.fixture
def clip_results(tmp_path):
    """Arguments for two trackers on the shipped clip, the second much worse than the first."""
    truth = np.loadtxt(resolve_path('ct_mm::demo/clips/bunny/groundtruth.txt'), delimiter=',')
    for name, shift in (('good', 2), ('bad', 90)):
        boxes = truth.copy()
        boxes[1:, 0] += shift
        ResultFolder(tmp_path / name).write('bunny', boxes)
    return [f'good={tmp_path / "good"}', f'bad={tmp_path / "bad"}', '--data-root', 'ct_mm::demo/clips']
