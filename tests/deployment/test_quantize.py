"""int8 files: they load, they are small, and boxes stay where they were."""
import numpy as np
import pytest
import torch

from ct_mm.deployment.deployed_network import DeployedNetwork, example_crops, model_card
from ct_mm.deployment.quantize import QUANTIZERS, _last_convolutions
from ct_mm.tracking.runtime import init_tracker

NEEDED = dict(onnx=('onnx', 'onnxscript', 'onnxruntime'), openvino=('openvino', 'nncf'))


def calibration_pair(tracker, seed):
    """Crops of which one is brighter than the other."""
    return tuple(crop // 8 * (seed + 1) for crop in example_crops(model_card(tracker), seed))


@pytest.fixture(scope='module')
def quantized(make_tracker, tmp_path_factory):
    """The tracker in int8 by format: the tracker in PyTorch, the path, and what was printed meanwhile."""
    tracker, folder, files = make_tracker(), tmp_path_factory.mktemp('int8'), {}
    crops = [tuple(crop.numpy() for crop in calibration_pair(tracker, seed)) for seed in range(8)]

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
        crops = example_crops(portable.card, seed)
        with torch.inference_mode():
            expected = network(*crops)
        found = portable.session.outputs(*(crop.numpy() for crop in crops))
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
    assert path.with_suffix('.bin').stat().st_size < 2 * parameters  # four bytes each in float
    assert {file.suffix for file in path.parent.iterdir()} <= {'.xml', '.bin', '.onnx'}


def test_ranges_reach_from_the_darkest_to_the_brightest_of_all_crops(quantized):
    openvino = pytest.importorskip('openvino', reason='reads an .xml file')
    tracker, path = quantized('openvino')
    ranges = []
    for operation in openvino.Core().read_model(str(path)).get_ordered_ops():
        if operation.get_type_name() == 'FakeQuantize' and 'aten::div' in operation.get_friendly_name():
            ranges.append([operation.input(i).get_source_output().get_node().data.item() for i in (1, 2)])
    pictures = [torch.cat([calibration_pair(tracker, seed)[side] for seed in range(8)]) for side in (0, 1)]
    pictures = [tracker.data_preprocessor.normalize(each.permute(0, 3, 1, 2).float()) for each in pictures]
    extremes = sorted([float(each.min()), float(each.max())] for each in pictures)
    np.testing.assert_allclose(sorted(ranges), extremes, rtol=0.02)


def test_the_layers_that_give_the_box_stay_in_float(make_tracker):
    names = _last_convolutions(make_tracker())
    assert len(names) == 12 and 'network.head.size.4' in names and 'network.head.size.1.conv' in names
    assert 'network.head.size.0.conv' not in names  # this one has most of the head's operations


def test_progress_bars_stay_off_the_standard_output(make_tracker, tmp_path, capsys):
    for package in NEEDED['openvino']:
        pytest.importorskip(package, reason=f'int8 for openvino needs {package}')
    tracker = make_tracker(depth=1)
    crops = [tuple(crop.numpy() for crop in example_crops(model_card(tracker), seed)) for seed in range(2)]
    QUANTIZERS['openvino'][1](tracker, crops, tmp_path / 'a.xml')
    assert capsys.readouterr().out == ''


def test_a_missing_package_is_named(make_tracker, tmp_path, monkeypatch):
    monkeypatch.setitem(__import__('sys').modules, 'nncf', None)
    with pytest.raises(ImportError, match='pip install openvino nncf'):
        QUANTIZERS['openvino'][1](make_tracker(), [], tmp_path / 'a.xml')
