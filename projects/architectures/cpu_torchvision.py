"""Makes torchvision importable with a PyTorch that its compiled operators were not built for.

A CPU build of PyTorch beside the torchvision of the usual index, which is built for CUDA, is such a pair. Two schemas
are asked for while torchvision is imported; none of the operators is used here.
"""
from __future__ import annotations

import importlib

import torch

_kept: list[torch.library.Library] = []  # a library takes its schemas along when it goes


def import_torchvision() -> None:
    """Imports torchvision, after defining the two schemas if they are needed.

    Raises:
        ImportError: If it is not installed.
    """
    try:
        importlib.import_module('torchvision')
    except RuntimeError as error:
        if 'torchvision::nms' not in str(error):
            raise
        library = torch.library.Library('torchvision', 'DEF')
        for name in ('nms', 'qnms'):
            library.define(f'{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor')
        _kept.append(library)
        importlib.import_module('torchvision')
