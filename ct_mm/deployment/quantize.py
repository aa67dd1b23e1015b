"""int8 after training: ranges of activations measured on real crops, no training.

References:
    NNCF (OpenVINO): post-training quantisation with the preset for transformers (SmoothQuant).
    ONNX Runtime: static quantisation, QDQ, weights per channel.
"""
from __future__ import annotations

import contextlib
import io
import os
import re
import sys
import tempfile
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import numpy as np
from torch import nn

from ct_mm.deployment.deployed_network import DeployedNetwork, example_crops, model_card
from ct_mm.deployment.formats import need, quiet, save_openvino, to_openvino, write_onnx, write_whole
from ct_mm.tracking.evaluation.tracker_cost import count_layers
from ct_mm.tracking.models.trackers import BaseTracker
from ct_mm.tracking.runtime.model_card import CARD_KEY

Crops = Iterable[tuple[np.ndarray, np.ndarray]]


def quantize_openvino(tracker: BaseTracker, crops: Crops, path: str | os.PathLike) -> None:
    """Writes an int8 network for OpenVINO.

    Args:
        tracker: In PyTorch.
        crops: Pairs (1, St, St, 3) and (1, Ss, Ss, 3), RGB uint8, see :func:`calibration_crops`.
        path: Where to, ``.xml``.

    Raises:
        ImportError: openvino or nncf is not installed.
    """
    nncf = need('nncf', 'openvino nncf')
    card = replace(model_card(tracker, count_layers(tracker)), precision='int8')
    model = to_openvino(DeployedNetwork(tracker), example_crops(card), card)
    pairs = list(crops)
    dataset = nncf.Dataset(pairs, lambda pair: dict(template=pair[0], search=pair[1]))
    # Whole ranges: NNCF's default, the mean of the crops' extremes, cuts off what is bright. Its bias correction, made
    # for convolutional networks, moves boxes more than it mends.
    advanced = nncf.AdvancedQuantizationParameters(
        disable_bias_correction=True,
        activations_range_estimator_params=nncf.quantization.range_estimator.RangeEstimatorParametersSet.MINMAX)
    in_float = nncf.IgnoredScope(patterns=[f'.*{re.escape(name)}/.*' for name in _last_convolutions(tracker)])
    # NNCF draws its bars on the standard output, also where that is a file.
    with quiet(), contextlib.redirect_stdout(sys.stderr if sys.stderr.isatty() else io.StringIO()):
        quantized = nncf.quantize(
            model, dataset, subset_size=len(pairs), model_type=nncf.ModelType.TRANSFORMER,
            preset=nncf.QuantizationPreset.MIXED, advanced_parameters=advanced,
            ignored_scope=in_float)
    quantized.set_rt_info(card.to_json(), [CARD_KEY])
    write_whole(lambda temporary: save_openvino(quantized, temporary), path)


def quantize_onnx(tracker: BaseTracker, crops: Crops, path: str | os.PathLike) -> None:
    """Writes an int8 network for ONNX Runtime.

    Args:
        tracker: In PyTorch.
        crops: As for :func:`quantize_openvino`.
        path: Where to, ``.onnx``.

    Raises:
        ImportError: onnx, onnxscript or onnxruntime is not installed.
    """
    onnx = need('onnx', 'onnx onnxscript onnxruntime')
    need('onnxruntime', 'onnx onnxscript onnxruntime')
    from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static
    from onnxruntime.quantization.shape_inference import quant_pre_process
    card = replace(model_card(tracker, count_layers(tracker)), precision='int8')

    class Reader(CalibrationDataReader):

        def __init__(self) -> None:
            self._pairs = iter(crops)

        def get_next(self) -> dict | None:
            pair = next(self._pairs, None)
            return None if pair is None else dict(zip(('template', 'search'), pair))

    def write(temporary: Path) -> None:
        with tempfile.TemporaryDirectory(dir=temporary.parent) as folder:
            plain, prepared = Path(folder, 'plain.onnx'), Path(folder, 'prepared.onnx')
            write_onnx(DeployedNetwork(tracker), example_crops(card), card, plain)
            quant_pre_process(str(plain), str(prepared), skip_symbolic_shape=True)
            quantize_static(
                str(prepared), str(temporary), Reader(), quant_format=QuantFormat.QDQ, per_channel=True,
                activation_type=QuantType.QUInt8, weight_type=QuantType.QInt8,
                op_types_to_quantize=['MatMul', 'Gemm', 'Conv'])
        model = onnx.load(str(temporary))
        del model.metadata_props[:]
        entry = model.metadata_props.add()
        entry.key, entry.value = CARD_KEY, card.to_json()
        onnx.save(model, str(temporary))

    write_whole(write, path)


def _last_convolutions(tracker: BaseTracker) -> list[str]:
    """The head's convolutions behind the first ones: cheap, and what they put out is the box."""
    widths = {f'network.head.{name}': module.in_channels for name, module in tracker.head.named_modules()
              if isinstance(module, nn.Conv2d)}
    return [name for name, width in widths.items() if width < max(widths.values())]


#: By format: the ending of the file and how it is written.
QUANTIZERS = dict(openvino=('.xml', quantize_openvino), onnx=('.onnx', quantize_onnx))
