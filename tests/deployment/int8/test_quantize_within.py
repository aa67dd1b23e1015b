"""A bound on the error decides how much is in int8."""
import numpy as np
import pytest
import torch

from ct_mm.deployment.export.deployed_network import DeployedNetwork, example_inputs
from ct_mm.deployment.int8 import quantize_within as module
from ct_mm.deployment.int8.quantize import QUANTIZERS, float_layers
from ct_mm.deployment.int8.quantize_within import quantize_within
from ct_mm.deployment.int8.sensitivity import layer_errors, map_error, quantized_layers

NEEDED = dict(onnx=('onnx', 'onnxscript', 'onnxruntime'), openvino=('openvino', 'nncf'))


def pairs_for(tracker, count=10):
    return [{name: crop.numpy() for name, crop in example_inputs(tracker.card(), seed).items()}
            for seed in range(count)]


@pytest.fixture
def harmed(make_tracker):
    """A tracker of which one layer cannot be rounded well: channels of its output cancel in the next layer."""
    tracker = make_tracker()
    with torch.no_grad():
        mlp = tracker.backbone.blocks[1].mlp
        mlp.fc1.weight[:2] = 40 * mlp.fc1.weight[:1]
        mlp.fc1.bias[:2] = 30
        mlp.fc2.weight[:, 1] = -mlp.fc2.weight[:, 0]
        mlp.fc2.weight[:, :2] *= 300
    return tracker


def test_the_layer_that_does_most_harm_is_found(harmed):
    network = DeployedNetwork(harmed)
    before = {name: value.clone() for name, value in network.state_dict().items()}
    errors = layer_errors(network, pairs_for(harmed, 3), float_layers(harmed))
    assert 'blocks.1.mlp.fc' in next(iter(errors))
    assert len(errors) == 8 + 3  # linear layers and the head's first convolutions
    for name, value in network.state_dict().items():
        assert torch.equal(value, before[name]), name


@pytest.mark.slow
@pytest.mark.parametrize('file_format', NEEDED)
def test_a_bound_is_kept_by_the_file_itself(harmed, tmp_path, file_format):
    for package in NEEDED[file_format]:
        pytest.importorskip(package, reason=f'int8 for {file_format} needs {package}')
    suffix, quantize = QUANTIZERS[file_format]
    pairs, tries = pairs_for(harmed), []
    free = quantize_within(harmed, pairs, tmp_path / f'free{suffix}', quantize)
    bound = free.error / 3
    report = quantize_within(harmed, pairs, tmp_path / f'bound{suffix}', quantize, bound,
                             lambda count, error: tries.append((count, error)))
    assert free.in_float == () and free.layers == report.layers == 11
    assert report.error <= bound and 0 < len(report.in_float) < report.layers
    assert tries[0][0] == 0 and tries[-1] == (len(report.in_float), report.error)


def test_a_bound_out_of_reach_is_an_error(make_tracker, tmp_path, monkeypatch):
    monkeypatch.setattr(module, 'map_error', lambda found, expected: 0.5)
    for package in NEEDED['onnx']:
        pytest.importorskip(package, reason=f'int8 for onnx needs {package}')
    tracker = make_tracker(depth=1)
    with pytest.raises(ValueError, match='error is 0.500 with all layers in float, above the allowed 0.1'):
        quantize_within(tracker, pairs_for(tracker, 5), tmp_path / 'a.onnx', QUANTIZERS['onnx'][1], 0.1)
    assert not list(tmp_path.iterdir())


def test_too_few_pairs(make_tracker, tmp_path):
    with pytest.raises(ValueError, match='1 pairs of crops are too few'):
        quantize_within(make_tracker(), pairs_for(make_tracker(), 1), tmp_path / 'a.xml', None)


def test_the_error_is_measured_in_spreads():
    rng = np.random.default_rng(0)
    right = [{name: rng.normal(5, 2, (1, 2, 8, 8)) for name in ('score_map', 'size_map', 'offset_map')}]
    wrong = [{name: value + 0.2 for name, value in right[0].items()}]
    assert map_error(right, right) == 0
    assert map_error(wrong, right) == pytest.approx(0.1, rel=0.1)


def test_a_smoothed_layer_counts_once(make_tracker):
    from ct_mm.deployment.int8.quantize import smoothed_network
    tracker = make_tracker()
    plain, smoothed = DeployedNetwork(tracker), smoothed_network(tracker, pairs_for(tracker, 2))
    assert list(quantized_layers(smoothed)) == list(quantized_layers(plain))


def test_the_number_of_tries_stays_small_where_the_bound_is_out_of_reach():
    errors, now, tries = [0.1] * 48, 0, 0
    while now < len(errors):
        now, tries = module._enough(errors, now, 0.08, 0.079), tries + 1
    assert tries <= 10


def test_weights_that_overflow_are_found_before_anything_is_written(make_tracker, tmp_path):
    tracker = make_tracker()
    with torch.no_grad():
        for name in ('weight', 'bias'):
            getattr(tracker.backbone.norm, name).fill_(3e38)  # finite, but their products are not
    with pytest.raises(ValueError, match='the network in float32 puts out NaN or infinity in .*score'):
        quantize_within(tracker, pairs_for(tracker), tmp_path / 'a.onnx', lambda *_: pytest.fail('written'))
    with torch.no_grad():
        tracker.backbone.norm.weight[3] = float('nan')
    with pytest.raises(ValueError, match=r'backbone\.norm\.weight holds NaN or infinity'):
        quantize_within(tracker, pairs_for(make_tracker()), tmp_path / 'a.onnx', lambda *_: pytest.fail('written'))


@pytest.mark.parametrize('name', ['box', 'size_map'])
def test_a_file_that_puts_out_nan_is_deleted(make_tracker, tmp_path, monkeypatch, name):
    path = tmp_path / 'a.onnx'

    class Tracker:

        @staticmethod
        def session(inputs, outputs):
            return {each: np.full((1, 2, 3, 3), np.nan if each == name else 0.5) for each in outputs}

    monkeypatch.setattr(module, 'init_tracker', lambda _: Tracker)
    with pytest.raises(ValueError, match=f'a.onnx puts out NaN or infinity in {name}; .*a.onnx was deleted'):
        quantize_within(make_tracker(), pairs_for(make_tracker()), path, lambda *_: path.touch())
    assert list(tmp_path.iterdir()) == []
