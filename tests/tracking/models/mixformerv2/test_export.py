"""Exported files of MixFormerV2: they track as PyTorch does, and run the templates only when one changes."""
import numpy as np
import pytest
import torch

from ct_mm.registry import MODELS
from ct_mm.tracking.runtime import init_tracker

FORMATS = dict(onnx='.onnx', openvino='.xml', torchscript='.torchscript', torch_export='.pt2')


@pytest.fixture
def tracker(model_config):
    torch.manual_seed(0)
    tracker = MODELS.build(dict(model_config(depth=3), update_interval=2, update_threshold=0.0)).eval()
    for value in tracker.parameters():
        value.data.add_(torch.randn_like(value) * 0.05)
    return tracker


@pytest.fixture(scope='module')
def frames():
    rng = np.random.default_rng(0)
    return [rng.integers(0, 255, (90, 120, 3), np.uint8) for _ in range(7)]


def track(tracker, frames):
    tracker.init(frames[0], np.array([40., 30, 20, 24]))
    boxes, scores = zip(*(tracker.track(frame) for frame in frames[1:]))
    return np.stack(boxes), np.array(scores)


@pytest.mark.parametrize('file_format', FORMATS)
def test_a_file_tracks_as_the_module(tracker, frames, tmp_path, file_format):
    from ct_mm.deployment.export.export_tracker import export_tracker
    for package in dict(onnx=('onnx', 'onnxscript', 'onnxruntime'), openvino=('openvino', )).get(file_format, ()):
        pytest.importorskip(package)
    path = tmp_path / f'tracker{FORMATS[file_format]}'
    export_tracker(tracker, path, file_format)
    exported = init_tracker(path, precision='fp32' if file_format == 'openvino' else None)
    assert exported.card.prepares == (file_format in ('onnx', 'openvino'))
    boxes, scores = track(exported, frames)
    expected = track(tracker, frames)
    np.testing.assert_allclose(boxes, expected[0], atol=0.05)
    np.testing.assert_allclose(scores, expected[1], atol=1e-4)


def test_templates_run_only_when_one_changes(tracker, frames, monkeypatch):
    prepared = []
    prepare = type(tracker).prepare
    monkeypatch.setattr(type(tracker), 'prepare', lambda self, inputs: prepared.append(1) or prepare(self, inputs))
    track(tracker, frames)
    assert len(prepared) == 3, 'at the start, and after frames 2 and 4; that of frame 6 was not used yet'


def test_cached_tracks_are_recomputed_tracks(tracker, frames, model_config):
    config = dict(model_config(depth=3), update_interval=2, update_threshold=0.0, cache_templates=False)
    again = MODELS.build(config).eval()
    again.load_state_dict(tracker.state_dict())
    assert again.card().prepares is False and tracker.card().prepares
    for one, other in zip(track(tracker, frames), track(again, frames)):
        np.testing.assert_allclose(one, other, rtol=0, atol=1e-4)


def test_several_targets_share_a_network_and_nothing_else(tracker, frames):
    boxes = np.array([40., 30, 20, 24]), np.array([70., 20, 24, 20])
    loop = tracker.make_loop()
    together = [loop.start(frames[0], box) for box in boxes]
    alone = [loop.start(frames[0], box) for box in boxes]
    for frame in frames[1:]:
        results = loop.step_all(together, frame)
        for state, result in zip(alone, results):
            np.testing.assert_allclose(loop.step(state, frame).box, result.box, atol=1e-3)
