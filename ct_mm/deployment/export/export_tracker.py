"""Exports a PyTorch tracker to a file that runs without PyTorch."""
from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import torch

from ct_mm.deployment.export.deployed_network import DeployedNetwork, example_inputs
from ct_mm.deployment.export.formats import FORMATS, write_whole
from ct_mm.tracking.models import BaseTracker
from ct_mm.tracking.runtime import init_tracker

#: Largest difference from PyTorch that a different order of float32 operations can explain.
TOLERANCE = 1e-4
#: Formats whose runtimes can run a part of a network.
DIVIDING = ('onnx', 'openvino')


def export_tracker(tracker: BaseTracker, path: str | os.PathLike, file_format: str,
                   batch: int | None = 1) -> dict[str, float]:
    """Exports a tracker's network and compares the file with PyTorch before renaming it to ``path``.

    Args:
        tracker: A tracker from :func:`ct_mm.tracking.init_model`.
        path: Path to write; its suffix must match the format.
        file_format: ``onnx``, ``openvino``, ``torchscript`` or ``torch_export``.
        batch: 1, or None for a file that takes any number of targets at once (``onnx`` and ``openvino``).

    Returns:
        The largest difference from PyTorch over several pairs of crops, by name of the output.

    Raises:
        ImportError: A package that the format needs is not installed.
        ValueError: The format is unknown, the suffix does not match it, the tracker cannot be exported, or the file
            disagrees with PyTorch (it is then deleted).
    """
    suffix, write = FORMATS.get(file_format, (None, None))
    if write is None:
        raise ValueError(f'format must be one of {", ".join(FORMATS)}, not {file_format!r}')
    if Path(path).suffix != suffix:
        raise ValueError(f'the {file_format} format needs a file name ending in {suffix}, but got {Path(path).name}')
    if batch not in (1, None) or (batch is None and file_format not in DIVIDING):
        raise ValueError(f'a {file_format} file with batch={batch} is not supported: use 1, or with onnx or openvino '
                         'None for any number of targets')
    network = DeployedNetwork(tracker, divided=file_format in DIVIDING)
    differences: dict[str, float] = {}

    def write_checked(temporary: Path) -> None:
        write(network, example_inputs(network.card, batch=batch or 2), network.card, temporary)
        differences.update(compare_with_torch(temporary, network))
        wrong = {name: value for name, value in differences.items() if not value <= TOLERANCE}
        if wrong:
            raise ValueError(f'the {file_format} file disagrees with PyTorch and was deleted: the largest differences '
                             f'are {wrong}, but at most {TOLERANCE} is allowed')

    write_whole(write_checked, path)
    return differences


def compare_with_torch(path: str | os.PathLike, network: DeployedNetwork, pairs: int = 4) -> dict[str, float]:
    """Runs an exported float32 file and its source network on the same crops.

    Args:
        path: The exported file.
        network: The network in PyTorch.
        pairs: Number of pairs of crops.

    Returns:
        The largest absolute difference by name of the output.
    """
    precision = 'fp32' if Path(path).suffix == '.xml' else None
    session = init_tracker(path, precision=precision).session
    names, largest = session.card.outputs, {}
    for seed in range(1, pairs + 1):
        inputs = example_inputs(session.card, seed)
        with torch.inference_mode():
            expected = dict(zip(names, network(*inputs.values())))
        for name, value in session({name: value.numpy() for name, value in inputs.items()}, names).items():
            difference = float(np.abs(value - expected[name].double().numpy()).max())
            if not np.isfinite(difference):
                raise ValueError(f'the network puts out NaN or infinity in {name}: its weights are damaged')
            largest[name] = max(largest.get(name, 0.0), difference)
    return largest
