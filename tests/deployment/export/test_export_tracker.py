"""Files that track, and what is not kept."""
import numpy as np
import pytest
import torch

from ct_mm.deployment.export import export_tracker as module
from ct_mm.deployment.export.deployed_network import DeployedNetwork, example_inputs
from ct_mm.deployment.export.export_tracker import TOLERANCE, export_tracker
from ct_mm.tracking.runtime import init_tracker

OUTPUTS = ('box', 'score', 'score_map', 'size_map', 'offset_map')
NEEDED = dict(onnx=('onnx', 'onnxscript', 'onnxruntime'), openvino=('openvino', ), torchscript=(), torch_export=())
SUFFIXES = dict(onnx='.onnx', openvino='.xml', torchscript='.torchscript', torch_export='.pt2')


@pytest.mark.parametrize('file_format', NEEDED)
def test_a_file_agrees_with_pytorch_in_every_output(make_tracker, tmp_path, file_format):
    for package in NEEDED[file_format]:
        pytest.importorskip(package, reason=f'{file_format} needs {package}')
    tracker, path = make_tracker(depth=3), tmp_path / 'new' / f'tracker{SUFFIXES[file_format]}'
    differences = export_tracker(tracker, path, file_format)
    assert tuple(differences) == OUTPUTS and max(differences.values()) <= TOLERANCE
    session = init_tracker(path, precision='fp32' if file_format == 'openvino' else None).session
    assert session.card == tracker.card(3)
    crops = example_inputs(session.card, seed=99)
    with torch.inference_mode():
        expected = DeployedNetwork(tracker)(*crops.values())
    found = session({name: crop.numpy() for name, crop in crops.items()}, OUTPUTS)
    for name, value in zip(OUTPUTS, expected):
        np.testing.assert_allclose(found[name], value, atol=TOLERANCE)
    files = {path.name, 'tracker.bin'} if file_format == 'openvino' else {path.name}
    assert {file.name for file in path.parent.iterdir()} == files


def test_the_exported_function_is_what_the_tracker_does(make_tracker, image):
    tracker = make_tracker()
    tracker.init(image, [30, 20, 40, 30])
    search = example_inputs(tracker.card())['search']
    box, score = tracker.locate(search[0].numpy())
    template = tracker.loop.inputs(tracker.state, search[0].numpy())['template']
    with torch.inference_mode():
        outputs = DeployedNetwork(tracker)(torch.from_numpy(template), search)
    np.testing.assert_allclose(outputs[0][0], box, atol=1e-6)
    assert float(outputs[1]) == pytest.approx(score, abs=1e-6)


def test_what_is_exported_is_float32_whatever_the_tracker_computes_in(make_tracker):
    tracker = make_tracker()
    crops = example_inputs(tracker.card()).values()
    expected = DeployedNetwork(tracker)(*crops)
    tracker.precision = 'bf16'
    found = DeployedNetwork(tracker)(*crops)
    assert all(torch.equal(a, b) for a, b in zip(expected, found)) and tracker.precision == 'bf16'


def test_an_export_leaves_the_tracker_as_it_was(make_tracker, tmp_path):
    tracker = make_tracker().train()
    before = {key: value.clone() for key, value in tracker.state_dict().items()}
    export_tracker(tracker, tmp_path / 'a.torchscript', 'torchscript')
    assert tracker.training and all(torch.equal(value, before[key]) for key, value in tracker.state_dict().items())
    assert all(parameter.requires_grad for parameter in tracker.parameters())


@pytest.mark.parametrize('wrong', [0.5, float('nan')])
def test_a_file_that_does_not_agree_is_not_kept(make_tracker, tmp_path, monkeypatch, wrong):
    path = tmp_path / 'a.torchscript'
    path.write_text('an earlier one')
    monkeypatch.setattr(module, 'compare_with_torch', lambda *_: {**dict.fromkeys(OUTPUTS, 0.0), 'size_map': wrong})
    with pytest.raises(ValueError, match="disagrees with PyTorch and was deleted.*{'size_map'"):
        export_tracker(make_tracker(), path, 'torchscript')
    assert [file.name for file in tmp_path.iterdir()] == ['a.torchscript'] and path.read_text() == 'an earlier one'


def test_a_place_that_cannot_be_written(make_tracker, tmp_path):
    (tmp_path / 'file').touch()
    with pytest.raises(OSError, match='file'):
        export_tracker(make_tracker(), tmp_path / 'file' / 'a.torchscript', 'torchscript')


@pytest.mark.parametrize('name, file_format, message', [
    ('a.onnx', 'tensorrt', 'format must be one of onnx, openvino, torchscript, torch_export'),
    ('a.pth', 'torchscript', 'the torchscript format needs a file name ending in .torchscript, but got a.pth')])
def test_a_wrong_format_or_ending_is_said_before_anything_is_done(make_tracker, tmp_path, name, file_format, message):
    with pytest.raises(ValueError, match=message):
        export_tracker(make_tracker(), tmp_path / name, file_format)
    assert list(tmp_path.iterdir()) == []


def test_a_missing_package_is_named(make_tracker, tmp_path, monkeypatch):
    monkeypatch.setitem(__import__('sys').modules, 'openvino', None)
    with pytest.raises(ImportError, match='openvino is required but not installed: pip install openvino'):
        export_tracker(make_tracker(), tmp_path / 'a.xml', 'openvino')


def test_a_tracker_without_the_parts_is_refused(make_tracker):
    tracker = make_tracker()
    tracker.geometry = None
    with pytest.raises(ValueError, match='OSTrack has no geometry: set self.geometry, or implement init and track'):
        DeployedNetwork(tracker)


@pytest.mark.parametrize('value', [float('nan'), float('inf')])
def test_a_weight_that_is_no_number_is_named(make_tracker, tmp_path, value):
    tracker = make_tracker()
    with torch.no_grad():
        tracker.head.size[0].conv.weight[0, 0, 0, 0] = value
    with pytest.raises(ValueError, match=r'head\.size\.0\.conv\.weight holds NaN or infinity'):
        export_tracker(tracker, tmp_path / 'a.torchscript', 'torchscript')
    assert list(tmp_path.iterdir()) == []


def test_a_network_that_puts_out_nan_is_not_kept(make_tracker, tmp_path):
    tracker = make_tracker()
    with torch.no_grad():
        for name in ('weight', 'bias'):
            getattr(tracker.backbone.norm, name).fill_(3e38)  # finite, but their products are not
    with pytest.raises(ValueError, match='NaN or infinity'):
        export_tracker(tracker, tmp_path / 'a.torchscript', 'torchscript')
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize('file_format', ['onnx', 'openvino'])
def test_a_file_may_take_any_number_of_targets(make_tracker, tmp_path, file_format):
    for package in NEEDED[file_format]:
        pytest.importorskip(package, reason=f'{file_format} needs {package}')
    path = tmp_path / f'a{SUFFIXES[file_format]}'
    export_tracker(make_tracker(), path, file_format, batch=None)
    session = init_tracker(path, precision='fp32' if file_format == 'openvino' else None).session
    assert session.batched
    one = [{name: value.numpy() for name, value in example_inputs(session.card, seed).items()} for seed in range(3)]
    both = session({name: np.concatenate([each[name] for each in one]) for name in one[0]}, OUTPUTS)
    for index, each in enumerate(one):
        for name, value in session(each, OUTPUTS).items():
            np.testing.assert_allclose(both[name][index:index + 1], value, atol=TOLERANCE)


def test_a_batch_that_a_format_cannot_have(make_tracker, tmp_path):
    with pytest.raises(ValueError, match='torchscript file with batch=None is not supported'):
        export_tracker(make_tracker(), tmp_path / 'a.torchscript', 'torchscript', batch=None)
