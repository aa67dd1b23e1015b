"""Post-training quantisation to int8, with activation ranges measured on real crops.

References:
    NNCF (OpenVINO): post-training quantisation with the transformer preset.
    ONNX Runtime: static quantisation in QDQ format with per-channel weights.
"""
from __future__ import annotations

import ast
import contextlib
import io
import os
import re
import sys
from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
from torch import nn

from ct_mm.deployment.export.deployed_network import DeployedNetwork, example_inputs
from ct_mm.deployment.export.formats import need, quiet, save_onnx, save_openvino, to_openvino, write_onnx, write_whole
from ct_mm.deployment.int8.sensitivity import quantized_layers
from ct_mm.deployment.int8.smoothed_linear import smooth
from ct_mm.tracking.models import BaseTracker
from ct_mm.tracking.runtime.model_card import CARD_KEY

#: Inputs of a network by name, with a batch of one.
Crops = Iterable[Mapping[str, np.ndarray]]
#: Number of pairs used for smoothing: enough to estimate the magnitude of each channel.
_SMOOTHING_PAIRS = 64


def quantize_openvino(tracker: BaseTracker, crops: Crops, path: str | os.PathLike,
                      in_float: Collection[str] = (), network: DeployedNetwork | None = None) -> None:
    """Writes an int8 network for OpenVINO.

    Args:
        tracker: The PyTorch tracker.
        crops: Inputs of the network, for example from :func:`calibration_crops`.
        path: Path of the ``.xml`` file to write.
        in_float: Names of layers to keep in float in addition to :func:`float_layers`.
        network: The tracker's :func:`smoothed_network` on these crops, if it has been computed. Default: compute it.

    Raises:
        ImportError: openvino or nncf is not installed.
    """
    nncf = need('nncf', 'openvino nncf')
    pairs = list(crops)
    network = network or smoothed_network(tracker, pairs)
    card = replace(network.card, precision='int8')
    model = to_openvino(network, example_inputs(card), card)
    dataset = nncf.Dataset(pairs, dict)
    # Use the full ranges: NNCF's default, the mean of the crops' extremes, clips bright inputs. Skip its bias
    # correction, which is made for convolutional networks and makes boxes worse. Layers are smoothed already.
    advanced = nncf.AdvancedQuantizationParameters(
        disable_bias_correction=True,
        smooth_quant_alphas=nncf.AdvancedSmoothQuantParameters(matmul=-1, convolution=-1),
        activations_range_estimator_params=nncf.quantization.range_estimator.RangeEstimatorParametersSet.MINMAX)
    present = {operation.get_type_name() for operation in model.get_ops()}
    # Attention is a fifteenth of the products and hardly faster in int8; rounding queries and keys changes the maps.
    ignored = nncf.IgnoredScope(
        types=sorted({'ScaledDotProductAttention'} & present),
        patterns=[rf'.*\.{re.escape(name)}[./].*' for name in (*float_layers(tracker), *in_float)]
        + [r'.*/aten::mul/Multiply.*'] * ('Multiply' in present))
    # NNCF writes progress bars to the standard output, even if that is a file.
    with quiet(), contextlib.redirect_stdout(sys.stderr if sys.stderr.isatty() else io.StringIO()):
        quantized = nncf.quantize(
            model, dataset, subset_size=len(pairs), model_type=nncf.ModelType.TRANSFORMER,
            preset=nncf.QuantizationPreset.MIXED, advanced_parameters=advanced, ignored_scope=ignored)
    quantized.set_rt_info(card.to_json(), [CARD_KEY])
    write_whole(lambda temporary: save_openvino(quantized, temporary), path)


def quantize_onnx(tracker: BaseTracker, crops: Crops, path: str | os.PathLike, in_float: Collection[str] = (),
                  network: DeployedNetwork | None = None) -> None:
    """Writes an int8 network for ONNX Runtime.

    Args:
        tracker: The PyTorch tracker.
        crops: As in :func:`quantize_openvino`.
        path: Path of the ``.onnx`` file to write.
        in_float: As in :func:`quantize_openvino`.
        network: As in :func:`quantize_openvino`.

    Raises:
        ImportError: onnx, onnxscript or onnxruntime is not installed.
    """
    onnx = need('onnx', 'onnx onnxscript onnxruntime')
    need('onnxruntime', 'onnx onnxscript onnxruntime')
    from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static
    from onnxruntime.quantization.shape_inference import quant_pre_process
    pairs = list(crops)
    network = network or smoothed_network(tracker, pairs)
    card = replace(network.card, precision='int8')
    to_quantize = set(quantized_layers(network, {*float_layers(tracker), *in_float}))

    class Reader(CalibrationDataReader):

        def __init__(self) -> None:
            self._pairs = iter(pairs)

        def get_next(self) -> dict | None:
            pair = next(self._pairs, None)
            return None if pair is None else dict(pair)

    def write(temporary: Path) -> None:
        plain, prepared = (temporary.with_name(f'{name}.{temporary.name}') for name in ('plain', 'prepared'))
        write_onnx(network, example_inputs(card), card, plain)
        quant_pre_process(str(plain), str(prepared), skip_symbolic_shape=True)
        layer_of = _layers_of_nodes(onnx.load(str(plain)), to_quantize)
        # The preparation fuses nodes and appends to their names after a slash.
        nodes = [node.name for node in onnx.load(str(prepared)).graph.node
                 if node.op_type in ('MatMul', 'Gemm', 'Conv') and layer_of.get(node.name.partition('/')[0])]
        quantize_static(
            str(prepared), str(temporary), Reader(), quant_format=QuantFormat.QDQ, per_channel=True,
            activation_type=QuantType.QUInt8, weight_type=QuantType.QInt8, nodes_to_quantize=nodes,
            # These kernels can output float; rounding it again would add error without a gain in speed.
            extra_options=dict(OpTypesToExcludeOutputQuantization=['MatMul', 'Gemm']))
        save_onnx(onnx.load(str(temporary)), card, temporary)

    write_whole(write, path)


def smoothed_network(tracker: BaseTracker, pairs: list) -> DeployedNetwork:
    """Returns the network to quantise, which in float32 computes the same as the tracker.

    Args:
        tracker: The PyTorch tracker.
        pairs: Calibration crops.
    """
    network = DeployedNetwork(tracker, divided=False)
    smooth(network, pairs[:_SMOOTHING_PAIRS])
    return network


def float_layers(tracker: BaseTracker) -> list[str]:
    """Returns the names of layers that are cheap but critical: the first, which sees pixels, and the head's last.

    Args:
        tracker: The PyTorch tracker.
    """
    first = [f'network.backbone.{name}' for name, module in tracker.backbone.named_modules()
             if isinstance(module, nn.Conv2d) and module.in_channels == 3]
    widths = {f'network.head.{name}': module.in_channels for name, module in tracker.head.named_modules()
              if isinstance(module, nn.Conv2d)}
    return first + [name for name, width in widths.items() if width < max(widths.values())]


def _layers_of_nodes(model, layers: Collection[str]) -> dict[str, str]:
    """Returns the source layer of each ONNX node, by name of the node, for nodes of the given layers."""
    found = {}
    for node in model.graph.node:
        for entry in node.metadata_props:
            if entry.key == 'pkg.torch.onnx.name_scopes':
                scopes = [scope for scope in ast.literal_eval(entry.value) if scope in layers]
                if scopes:
                    found[node.name] = scopes[-1]
    return found


#: Suffix and quantiser of each format, by name.
QUANTIZERS = dict(openvino=('.xml', quantize_openvino), onnx=('.onnx', quantize_onnx))
