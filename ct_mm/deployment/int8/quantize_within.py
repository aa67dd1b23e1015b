"""int8 where it does no harm: as many layers in float as a bound on the error asks for."""
from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from ct_mm.deployment.export.formats import network_files
from ct_mm.deployment.int8.quantize import Crops, float_layers, smoothed_network
from ct_mm.deployment.int8.sensitivity import layer_errors, map_error, quantized_layers, torch_outputs
from ct_mm.tracking.models import BaseTracker
from ct_mm.tracking.runtime import init_tracker

#: One pair in so many is held back from the calibration, to measure on.
_HELD_BACK = 5
#: Pairs that a layer's share of the error is estimated on.
_ESTIMATE_PAIRS = 24


@dataclass(frozen=True)
class QuantizationReport:
    """What a quantisation did.

    Args:
        error: Error of the maps of the written file, see :func:`map_error`.
        in_float: Layers left in float because of the bound, the worst first.
        layers: How many layers could have been in int8.
        estimates: The error of each of these alone; empty if no bound asked for it.
    """

    error: float
    in_float: tuple[str, ...]
    layers: int
    estimates: dict[str, float]


def quantize_within(tracker: BaseTracker, crops: Crops, path: str | os.PathLike, quantize: Callable[..., None],
                    max_error: float | None = None,
                    on_try: Callable[[int, float], None] | None = None) -> QuantizationReport:
    """Quantises, measures the file itself, and while it is off too far leaves the layers that do most harm in float.

    A fifth of the crops is not calibrated on: the errors are measured on it.

    Args:
        tracker: In PyTorch.
        crops: Pairs of crops, see :func:`calibration_crops`.
        path: Where to.
        quantize: One of ``QUANTIZERS``.
        max_error: Largest error of the maps. Default: none, every layer in int8.
        on_try: Called with the number of layers in float and the error after each file.

    Raises:
        ValueError: There are fewer than five pairs, or the error is above the bound with every layer in float.
    """
    pairs = list(crops)
    held, calibration = pairs[::_HELD_BACK], [pair for i, pair in enumerate(pairs) if i % _HELD_BACK]
    if not calibration:
        raise ValueError(f'{len(pairs)} pairs of crops are too few to calibrate and to measure: take at least 5')
    network = smoothed_network(tracker, calibration)
    expected, always = torch_outputs(network, held), float_layers(tracker)
    count, estimates, in_float = len(quantized_layers(network, always)), {}, ()
    while True:
        quantize(tracker, calibration, path, in_float)
        session = init_tracker(path).session
        error = map_error([session.outputs(*pair) for pair in held], expected)
        if on_try is not None:
            on_try(len(in_float), error)
        if max_error is None or error <= max_error:
            return QuantizationReport(error, in_float, count, estimates)
        estimates = estimates or layer_errors(network, calibration[:_ESTIMATE_PAIRS], always)
        if len(in_float) == len(estimates):
            for file in network_files(Path(path)):
                file.unlink(missing_ok=True)
            raise ValueError(f'{path} is not kept: the maps are off by {error:.3f} with all layers in float, allowed '
                             f'are {max_error:g}. Allow more, or export without int8')
        in_float = tuple(estimates)[:_enough(list(estimates.values()), len(in_float), error, max_error)]


def _enough(errors: list[float], now: int, error: float, max_error: float) -> int:
    """How many layers, more than now, should be in float, if squared errors add up."""
    left = sum(value**2 for value in errors[now:])
    # Half as many more at least: what is not in int8 has an error, too, and each try takes a whole quantisation.
    for number in range(now + max(1, now // 2), len(errors)):
        if error**2 * sum(value**2 for value in errors[number:]) <= max_error**2 * left:
            return number
    return len(errors)
