"""int8 files: they load, they are small, and boxes stay where they were."""
import numpy as np
import pytest
import torch

from ct_mm.deployment.export.deployed_network import DeployedNetwork, example_inputs
from ct_mm.deployment.int8.quantize import QUANTIZERS, float_layers, smoothed_network
from ct_mm.deployment.int8.rounding import tensors
from ct_mm.tracking.runtime import init_tracker

NEEDED = dict(onnx=('onnx', 'onnxscript', 'onnxruntime'), openvino=('openvino', 'nncf'))


def calibration_pair(tracker, seed):
    """Crops that get brighter with the seed."""
    return {name: (crop // 8 * (seed + 1)).numpy() for name, crop in example_inputs(tracker.card(), seed).items()}


@pytest.fixture(scope='module')
def quantized(make_tracker, tmp_path_factory):
    """The tracker in int8 by format: the tracker in PyTorch, the path, and what was printed meanwhile."""
    tracker, folder, files = make_tracker(), tmp_path_factory.mktemp('int8'), {}
    crops = [calibration_pair(tracker, seed) for seed in range(8)]

    def make(file_format):
        for package in NEEDED[file_format]:
            pytest.importorskip(package, reason=f'int8 for {file_format} needs {package}')
        suffix, quantize = QUANTIZERS[file_format]
        if file_format not in files:
            files[file_format] = folder / f'int8{suffix}'
            quantize(tracker, iter(crops), files[file_format])
        return tracker, files[file_format]

    return make


@pytest.mark.parametrize('file_format', NEEDED)
def test_outputs_stay_close_to_float(quantized, file_format):
    tracker, path = quantized(file_format)
    portable, network = init_tracker(path, threads=1), DeployedNetwork(tracker)
    assert portable.card.precision == 'int8' and portable.precision.startswith('int8 + ')
    for seed in range(20, 24):
        crops = example_inputs(portable.card, seed)
        with torch.inference_mode():
            expected = network(*crops.values())
        found = portable.session({name: crop.numpy() for name, crop in crops.items()}, portable.card.outputs)
        for name, value in zip(('score_map', 'size_map', 'offset_map'), expected[2:]):
            spread = float(value.std())
            assert np.abs(found[name] - value.numpy()).mean() < max(0.25 * spread, 1e-3), name


@pytest.mark.parametrize('file_format', NEEDED)
def test_an_int8_file_tracks(quantized, image, file_format):
    tracker = init_tracker(quantized(file_format)[1], threads=1)
    tracker.init(image, [30, 20, 40, 30])
    box, score = tracker.track(image)
    assert np.isfinite(box).all() and 0 <= score <= 1


def test_weights_take_a_byte_and_nothing_else_is_left_behind(quantized):
    tracker, path = quantized('openvino')
    parameters = sum(parameter.numel() for parameter in tracker.parameters())
    first = tracker.backbone.patch_embed.proj.weight.numel()  # four bytes each, as it stays in float
    assert path.with_suffix('.bin').stat().st_size < 4 * first + 2 * (parameters - first)
    assert {file.suffix for file in path.parent.iterdir()} <= {'.xml', '.bin', '.onnx'}


def rounded_operations(path):
    """What an OpenVINO file rounds: the bounds by name of the operation that gets the rounded numbers."""
    openvino = pytest.importorskip('openvino', reason='reads an .xml file')
    found = {}
    for operation in openvino.Core().read_model(str(path)).get_ordered_ops():
        if operation.get_type_name() == 'FakeQuantize':
            bounds = [operation.input(i).get_source_output().get_node().data.item() for i in (1, 2)]
            for taker in operation.output(0).get_target_inputs():
                found[taker.get_node().get_friendly_name()] = bounds
    return found


def test_ranges_reach_over_all_crops(quantized):
    tracker, path = quantized('openvino')
    pairs = [calibration_pair(tracker, seed) for seed in range(8)]
    network, inputs = smoothed_network(tracker, pairs), []
    network.network.backbone.blocks[0].mlp.fc1.register_forward_pre_hook(
        lambda module, args: inputs.append(args[0] * getattr(module, 'inverse', 1)))
    with torch.inference_mode():
        for pair in pairs:
            network(*tensors(pair))
    [bounds] = [value for name, value in rounded_operations(path).items() if 'blocks.0.mlp.fc1' in name]
    assert bounds == pytest.approx([float(torch.cat(inputs).min()), float(torch.cat(inputs).max())], rel=0.02)


def test_pixels_attention_and_the_layers_that_give_the_box_stay_in_float(quantized):
    tracker, path = quantized('openvino')
    names = float_layers(tracker)
    assert len(names) == 13 and names[0] == 'network.backbone.patch_embed.proj'
    assert 'network.head.size.4' in names and 'network.head.size.1.conv' in names
    assert 'network.head.size.0.conv' not in names  # this one has most of the head's operations
    rounded = list(rounded_operations(path))
    assert len([name for name in rounded if 'MatMul' in name]) == 2 * 4  # two blocks of four linear layers, no more
    assert not [name for name in rounded if any(f'.{layer}/' in name for layer in names)]


@pytest.mark.slow
@pytest.mark.parametrize('file_format', NEEDED)
def test_a_layer_can_be_left_in_float(quantized, tmp_path, file_format):
    tracker, path = quantized(file_format)
    crops = [calibration_pair(tracker, seed) for seed in range(8)]
    suffix, quantize = QUANTIZERS[file_format]
    quantize(tracker, crops, tmp_path / f'a{suffix}', ['network.backbone.blocks.1.mlp.fc2'])
    before, after = (file.with_suffix('.bin' if suffix == '.xml' else suffix).stat().st_size
                     for file in (path, tmp_path / f'a{suffix}'))
    weights = 4 * 32 * 32
    assert 2.5 * weights < after - before < 3.5 * weights  # four bytes each instead of one


@pytest.mark.slow
def test_progress_bars_stay_off_the_standard_output(make_tracker, tmp_path, capsys):
    for package in NEEDED['openvino']:
        pytest.importorskip(package, reason=f'int8 for openvino needs {package}')
    tracker = make_tracker(depth=1)
    crops = [calibration_pair(tracker, seed) for seed in range(2)]
    QUANTIZERS['openvino'][1](tracker, crops, tmp_path / 'a.xml')
    assert capsys.readouterr().out == ''


def test_a_missing_package_is_named(make_tracker, tmp_path, monkeypatch):
    monkeypatch.setitem(__import__('sys').modules, 'nncf', None)
    with pytest.raises(ImportError, match='pip install openvino nncf'):
        QUANTIZERS['openvino'][1](make_tracker(), [], tmp_path / 'a.xml')
