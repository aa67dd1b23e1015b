"""Imports what a training and an evaluation need and takes long; see :mod:`clean_process`."""
import matplotlib.backends.backend_agg  # noqa: F401  (MMEngine's visualizer)
import mmengine.runner  # noqa: F401
import pytest  # noqa: F401
import torch._dynamo  # noqa: F401  (every optimizer of PyTorch)
from mmengine.registry import Registry

import ct_mm.cli  # noqa: F401
from ct_mm import registry

for entry in vars(registry).values():
    if isinstance(entry, Registry):
        entry.import_from_location()
