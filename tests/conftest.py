"""Fixtures that every test may use."""
import os
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope='session')
def shared() -> Path:
    """The folder of real sequences and photographs, which most machines do not have."""
    path = Path(os.environ.get('CT_MM_SHARED', ROOT.parent / 'shared'))
    if not (path / 'data').is_dir():
        pytest.skip(f'no real data at {path} (set CT_MM_SHARED)')
    return path


@pytest.fixture(scope='session')
def reference():
    """Loads a file of reference numbers by its name without the suffix."""
    return lambda name: np.load(ROOT / 'tests' / 'data' / f'{name}.npz')
