"""int8 after training: ranges of activations measured on real crops, no training.

References:
    NNCF (OpenVINO): post-training quantisation with the preset for transformers.
    ONNX Runtime: static quantisation, QDQ, weights per channel.
"""
from __future__ import annotations

import ast
import contextlib
import io
import os
import re
import sys
from collections.abc import Collection, Iterable
from dataclasses import replace
from pathlib import Path

import numpy as np
from torch import nn

from ct_mm.deployment.export.deployed_network import DeployedNetwork, example_crops, model_card
from ct_mm.deployment.export.formats import need, quiet, save_openvino, to_openvino, write_onnx, write_whole
from ct_mm.deployment.int8.sensitivity import quantized_layers
from ct_mm.deployment.int8.smoothed_linear import smooth
from ct_mm.tracking.evaluation.tracker_cost import count_layers
from ct_mm.tracking.models import BaseTracker
from ct_mm.tracking.runtime.model_card import CARD_KEY, ModelCard

Crops = Iterable[tuple[np.ndarray, np.ndarray]]
#: How many pairs the smoothing looks at: enough for the size of each channel.
_SMOOTHING_PAIRS = 64


def quantize_openvino(tracker: BaseTracker, crops: Crops, path: str | os.PathLike,
                      in_float: Collection[str] = ()) -> None:
    """Writes an int8 network for OpenVINO.

    Args:
        tracker: In PyTorch.
        crops: Pairs (1, St, St, 3) and (1, Ss, Ss, 3), RGB uint8, see :func:`calibration_crops`.
        path: Where to, ``.xml``.
        in_float: Layers to leave in float besides those that always are, see :func:`float_layers`.

    Raises:
        ImportError: openvino or nncf is not installed.
    """
    nncf = need('nncf', 'openvino nncf')
    pairs = list(crops)
    network, card = smoothed_network(tracker, pairs), _int8_card(tracker)
    model = to_openvino(network, example_crops(card), card)
    dataset = nncf.Dataset(pairs, lambda pair: dict(template=pair[0], search=pair[1]))
    # Whole ranges: NNCF's default, the mean of the crops' extremes, cuts off what is bright. Its bias correction, made
    # for convolutional networks, moves boxes more than it mends. Layers are smoothed already, each in its own way.
    advanced = nncf.AdvancedQuantizationParameters(
        disable_bias_correction=True,
        smooth_quant_alphas=nncf.AdvancedSmoothQuantParameters(matmul=-1, convolution=-1),
        activations_range_estimator_params=nncf.quantization.range_estimator.RangeEstimatorParametersSet.MINMAX)
    present = {operation.get_type_name() for operation in model.get_ops()}
    # Attention is a fifteenth of the products and hardly faster in int8; rounding queries and keys moves the maps.
    ignored = nncf.IgnoredScope(
        types=sorted({'ScaledDotProductAttention'} & present),
        patterns=[rf'.*\.{re.escape(name)}[./].*' for name in (*float_layers(tracker), *in_float)]
        + [r'.*/aten::mul/Multiply.*'] * ('Multiply' in present))
    # NNCF draws its bars on the standard output, also where that is a file.
    with quiet(), contextlib.redirect_stdout(sys.stderr if sys.stderr.isatty() else io.StringIO()):
        quantized = nncf.quantize(
            model, dataset, subset_size=len(pairs), model_type=nncf.ModelType.TRANSFORMER,
            preset=nncf.QuantizationPreset.MIXED, advanced_parameters=advanced, ignored_scope=ignored)
    quantized.set_rt_info(card.to_json(), [CARD_KEY])
    write_whole(lambda temporary: save_openvino(quantized, temporary), path)


def quantize_onnx(tracker: BaseTracker, crops: Crops, path: str | os.PathLike, in_float: Collection[str] = ()) -> None:
    """Writes an int8 network for ONNX Runtime.

    Args:
        tracker: In PyTorch.
        crops: As for :func:`quantize_openvino`.
        path: Where to, ``.onnx``.
        in_float: As for :func:`quantize_openvino`.

    Raises:
        ImportError: onnx, onnxscript or onnxruntime is not installed.
    """
    onnx = need('onnx', 'onnx onnxscript onnxruntime')
    need('onnxruntime', 'onnx onnxscript onnxruntime')
    from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static
    from onnxruntime.quantization.shape_inference import quant_pre_process
    pairs = list(crops)
    network, card = smoothed_network(tracker, pairs), _int8_card(tracker)
    to_quantize = set(quantized_layers(network, {*float_layers(tracker), *in_float}))

    class Reader(CalibrationDataReader):

        def __init__(self) -> None:
            self._pairs = iter(pairs)

        def get_next(self) -> dict | None:
            pair = next(self._pairs, None)
            return None if pair is None else dict(zip(('template', 'search'), pair))

    def write(temporary: Path) -> None:
        plain, prepared = (temporary.with_name(f'{name}.{temporary.name}') for name in ('plain', 'prepared'))
        write_onnx(network, example_crops(card), card, plain)
        quant_pre_process(str(plain), str(prepared), skip_symbolic_shape=True)
        layer_of = _layers_of_nodes(onnx.load(str(plain)), to_quantize)
        # The preparation fuses nodes and puts what it made of them behind a stroke.
        nodes = [node.name for node in onnx.load(str(prepared)).graph.node
                 if node.op_type in ('MatMul', 'Gemm', 'Conv') and layer_of.get(node.name.partition('/')[0])]
        quantize_static(
            str(prepared), str(temporary), Reader(), quant_format=QuantFormat.QDQ, per_channel=True,
            activation_type=QuantType.QUInt8, weight_type=QuantType.QInt8, nodes_to_quantize=nodes,
            # Their kernels can put out float; rounding that once more is an error that buys no speed.
            extra_options=dict(OpTypesToExcludeOutputQuantization=['MatMul', 'Gemm']))
        model = onnx.load(str(temporary))
        del model.metadata_props[:]
        entry = model.metadata_props.add()
        entry.key, entry.value = CARD_KEY, card.to_json()
        onnx.save(model, str(temporary))

    write_whole(write, path)


def smoothed_network(tracker: BaseTracker, pairs: list) -> DeployedNetwork:
    """The network that is quantised: in float32 it computes what the tracker does.

    Args:
        tracker: In PyTorch.
        pairs: Pairs of crops of the calibration.
    """
    network = DeployedNetwork(tracker)
    smooth(network, pairs[:_SMOOTHING_PAIRS])
    return network


def float_layers(tracker: BaseTracker) -> list[str]:
    """Layers that are cheap and matter most: the first one, which sees pixels, and the last ones, which give the box.

    Args:
        tracker: In PyTorch.
    """
    first = [f'network.backbone.{name}' for name, module in tracker.backbone.named_modules()
             if isinstance(module, nn.Conv2d) and module.in_channels == 3]
    widths = {f'network.head.{name}': module.in_channels for name, module in tracker.head.named_modules()
              if isinstance(module, nn.Conv2d)}
    return first + [name for name, width in widths.items() if width < max(widths.values())]


def _int8_card(tracker: BaseTracker) -> ModelCard:
    return replace(model_card(tracker, count_layers(tracker)), precision='int8')


def _layers_of_nodes(model, layers: Collection[str]) -> dict[str, str]:
    """The layer that a node of an ONNX file came from, by the node's name, for nodes of these layers."""
    found = {}
    for node in model.graph.node:
        for entry in node.metadata_props:
            if entry.key == 'pkg.torch.onnx.name_scopes':
                scopes = [scope for scope in ast.literal_eval(entry.value) if scope in layers]
                if scopes:
                    found[node.name] = scopes[-1]
    return found


#: By format: the ending of the file and how it is written.
QUANTIZERS = dict(openvino=('.xml', quantize_openvino), onnx=('.onnx', quantize_onnx))
