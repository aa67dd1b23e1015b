"""Quantises to int8 under a bound on the error, leaving as many layers in float as the bound requires."""
from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ct_mm.deployment.export.formats import network_files
from ct_mm.deployment.int8.quantize import Crops, float_layers, smoothed_network
from ct_mm.deployment.int8.sensitivity import layer_errors, map_error, quantized_layers, torch_outputs
from ct_mm.tracking.models import BaseTracker
from ct_mm.tracking.runtime import init_tracker

#: One pair in this many is held out of the calibration to measure the error.
_HELD_BACK = 5
#: Number of pairs on which the error of each layer is estimated.
_ESTIMATE_PAIRS = 24


@dataclass(frozen=True)
class QuantizationReport:
    """Result of a quantisation.

    Args:
        error: Error of the maps that the written file computes, see :func:`map_error`.
        in_float: Layers left in float because of the bound, worst first.
        layers: Number of layers that could be in int8.
        estimates: Error with only this layer in int8, by name; empty if the bound did not require it.
    """

    error: float
    in_float: tuple[str, ...]
    layers: int
    estimates: dict[str, float]


def quantize_within(tracker: BaseTracker, crops: Crops, path: str | os.PathLike, quantize: Callable[..., None],
                    max_error: float | None = None,
                    on_try: Callable[[int, float], None] | None = None) -> QuantizationReport:
    """Quantises a tracker and moves the most harmful layers back to float until the written file is within the bound.

    A fifth of the crops is held out of the calibration; errors are measured on these.

    Args:
        tracker: The PyTorch tracker.
        crops: Pairs of crops, for example from :func:`calibration_crops`.
        path: Path to write.
        quantize: Quantiser from ``QUANTIZERS``.
        max_error: Largest error of the maps that is allowed. Default: no bound, every layer in int8.
        on_try: Called after each file with the number of layers in float and the error.

    Raises:
        ValueError: There are too few pairs to hold some out, a weight or an output is NaN or infinite, or the error
            exceeds the bound with every layer in float. A file that was written is deleted then.
    """
    pairs = list(crops)
    held, calibration = pairs[::_HELD_BACK], [pair for i, pair in enumerate(pairs) if i % _HELD_BACK]
    if not calibration:
        raise ValueError(f'{len(pairs)} pairs of crops are too few to calibrate and measure: use at least 5')
    network = smoothed_network(tracker, calibration)
    expected, always = torch_outputs(network, held), float_layers(tracker)
    _check_finite(expected, 'the network in float32')
    count, estimates, in_float = len(quantized_layers(network, always)), {}, ()
    while True:
        quantize(tracker, calibration, path, in_float, network)
        try:
            session = init_tracker(path).session
            found = [session(pair, network.card.outputs) for pair in held]
            _check_finite(found, str(path))
        except ValueError as error:
            _delete(path)
            raise ValueError(f'{error}; {path} was deleted') from error
        error = map_error(found, expected)
        if on_try is not None:
            on_try(len(in_float), error)
        if max_error is None or error <= max_error:
            return QuantizationReport(error, in_float, count, estimates)
        estimates = estimates or layer_errors(network, calibration[:_ESTIMATE_PAIRS], always)
        if len(in_float) == len(estimates):
            _delete(path)
            raise ValueError(f'{path} was deleted: its error is {error:.3f} with all layers in float, above the '
                             f'allowed {max_error:g}. Allow a larger error, or export without int8')
        in_float = tuple(estimates)[:_enough(list(estimates.values()), len(in_float), error, max_error)]


def _check_finite(found: Sequence[Mapping[str, np.ndarray]], what: str) -> None:
    wrong = sorted({name for outputs in found for name, value in outputs.items() if not np.isfinite(value).all()})
    if wrong:
        raise ValueError(f'{what} puts out NaN or infinity in {", ".join(wrong)}')


def _delete(path: str | os.PathLike) -> None:
    for file in network_files(Path(path)):
        file.unlink(missing_ok=True)


def _enough(errors: list[float], now: int, error: float, max_error: float) -> int:
    """Returns how many layers should be in float, more than ``now``, assuming that squared errors add up."""
    left = sum(value**2 for value in errors[now:])
    # Add at least half as many: each try is a full quantisation, and the file is not exact even without these layers.
    for number in range(now + max(1, now // 2), len(errors)):
        if error**2 * sum(value**2 for value in errors[number:]) <= max_error**2 * left:
            return number
    return len(errors)
