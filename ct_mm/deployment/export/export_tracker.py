"""From a tracker in PyTorch to a file that tracks without it."""
from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import torch

from ct_mm.deployment.export.deployed_network import DeployedNetwork, example_crops, model_card
from ct_mm.deployment.export.formats import FORMATS, write_whole
from ct_mm.tracking.evaluation.tracker_cost import count_layers
from ct_mm.tracking.models import BaseTracker
from ct_mm.tracking.runtime import init_tracker
from ct_mm.tracking.runtime.model_card import OUTPUTS

#: Largest difference to PyTorch that float32 arithmetic in another order explains.
TOLERANCE = 1e-4


def export_tracker(tracker: BaseTracker, path: str | os.PathLike, file_format: str) -> dict[str, float]:
    """Writes a tracker's network as one file and compares it with PyTorch before the file gets its name.

    Args:
        tracker: The tracker, see :func:`ct_mm.tracking.init_model`.
        path: Where to; its ending must be the format's.
        file_format: ``onnx``, ``openvino``, ``torchscript`` or ``torch_export``.

    Returns:
        For each output the largest difference to PyTorch over several pairs of crops.

    Raises:
        ImportError: A package that the format needs is not installed.
        ValueError: The format is unknown, the ending is another's, the tracker cannot be exported, or the file does not
            agree with PyTorch (it is not kept then).
    """
    suffix, write = FORMATS.get(file_format, (None, None))
    if write is None:
        raise ValueError(f'format must be one of {", ".join(FORMATS)}, not {file_format!r}')
    if Path(path).suffix != suffix:
        raise ValueError(f'a file of format {file_format} ends in {suffix}, but this is {Path(path).name}')
    card = model_card(tracker, count_layers(tracker))
    network = DeployedNetwork(tracker)
    differences: dict[str, float] = {}

    def write_checked(temporary: Path) -> None:
        write(network, example_crops(card), card, temporary)
        differences.update(compare_with_torch(temporary, network))
        wrong = {name: value for name, value in differences.items() if not value <= TOLERANCE}
        if wrong:
            raise ValueError(f'the {file_format} file does not agree with PyTorch and is not kept: the largest '
                             f'differences are {wrong}, allowed are {TOLERANCE}')

    write_whole(write_checked, path)
    return differences


def compare_with_torch(path: str | os.PathLike, network: DeployedNetwork, pairs: int = 4) -> dict[str, float]:
    """Runs a float32 file and the network it was made from on the same crops.

    Args:
        path: The file.
        network: In PyTorch.
        pairs: How many pairs of crops.

    Returns:
        The largest absolute difference of each output.
    """
    precision = 'fp32' if Path(path).suffix == '.xml' else None
    session = init_tracker(path, precision=precision).session
    largest = dict.fromkeys(OUTPUTS, 0.0)
    for seed in range(1, pairs + 1):
        crops = example_crops(session.card, seed)
        with torch.inference_mode():
            expected = dict(zip(OUTPUTS, network(*crops)))
        for name, value in session.outputs(*(crop.numpy() for crop in crops)).items():
            difference = np.abs(value.astype(np.float64) - expected[name].double().numpy()).max()
            largest[name] = max(largest[name], float(difference))
    return largest
