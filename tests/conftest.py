"""Fixtures that every test may use."""
import os
from pathlib import Path

import numpy as np
import pytest
import torch
from unformatted_configs import format_configs, leave_configs_unformatted

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


@pytest.fixture(scope='session', autouse=True)
def _quick():
    """Makes small models quick. The commands that tests start keep PyTorch's own number of threads."""
    leave_configs_unformatted()
    torch.set_num_threads(1)  # a second thread makes a model of a few thousand parameters slower
    yield
    format_configs()


@pytest.fixture
def formatted_configs():
    """Has MMEngine format configs, as it does for a user."""
    format_configs()
    yield
    leave_configs_unformatted()
