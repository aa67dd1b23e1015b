"""One call for all kinds of trackers."""
import subprocess
import sys

import numpy as np
import pytest
import torch

from ct_mm.tracking import init_tracker
from ct_mm.tracking.models.ostrack import OSTrack
from ct_mm.tracking.runtime.portable_tracker import PortableTracker

FORMATS = ('onnx', 'openvino', 'torchscript', 'torch_export')


@pytest.mark.parametrize('file_format', FORMATS)
def test_every_format_tracks_as_the_tracker_it_was_made_from(exported, make_tracker, sequences, file_format):
    tracker = make_tracker()
    portable = init_tracker(exported(file_format), threads=1, precision='fp32' if file_format == 'openvino' else None)
    assert isinstance(portable, PortableTracker) and portable.card.layers == 2 and portable.precision == 'fp32'
    for each in (tracker, portable):
        each.init(sequences[0][0], sequences[0].boxes[0])
    for frame in sequences[0]:
        expected, found = tracker.track(frame), portable.track(frame)
        np.testing.assert_allclose(found[0], expected[0], atol=0.05)
        assert found[1] == pytest.approx(expected[1], abs=1e-4)


@pytest.mark.parametrize('file_format', ['onnx', 'openvino'])
def test_a_device_needs_neither_pytorch_nor_mmengine(exported, file_format):
    path = exported(file_format)
    code = (
        'import sys\n'
        'class Absent:\n'
        '    def find_spec(self, name, path=None, target=None):\n'
        "        if name.partition('.')[0] in ('torch', 'mmengine', 'mmcv', 'matplotlib'):\n"
        '            raise ModuleNotFoundError(name)\n'
        'sys.meta_path.insert(0, Absent())\n'
        'import numpy as np\n'
        'from ct_mm.tracking import FrameSource, MultiTracker, init_tracker\n'
        f'tracker = init_tracker({str(path)!r}, threads=1)\n'
        'MultiTracker(tracker), FrameSource\n'
        'image = np.zeros((90, 120, 3), np.uint8)\n'
        'tracker.init(image, [30, 20, 40, 40])\n'
        'box, score = tracker.track(image)\n'
        'assert box.shape == (4, ) and 0 <= score <= 1\n'
        "print([name for name in ('torch', 'mmengine') if name in sys.modules])\n")
    output = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True, check=True, timeout=120)
    assert output.stdout.strip() == '[]'


def test_a_config_becomes_a_tracker_in_pytorch(tracker_files):
    config, checkpoint = tracker_files(seed=2)
    tracker = init_tracker(config, checkpoint, precision='bf16')
    assert isinstance(tracker, OSTrack) and tracker.precision == 'bf16' and not tracker.training


def test_threads_are_those_asked_for(tracker_files):
    before = torch.get_num_threads()
    try:
        init_tracker(*tracker_files(), threads=before + 1)
        assert torch.get_num_threads() == before + 1
    finally:
        torch.set_num_threads(before)


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(FileNotFoundError, match='tracker .*nothing.onnx does not exist'):
        init_tracker(tmp_path / 'nothing.onnx')


def test_a_checkpoint_goes_with_a_config_only(exported):
    path = exported('torchscript')
    with pytest.raises(ValueError, match='already contains its weights.*a.pth'):
        init_tracker(path, 'a.pth')


def test_an_unknown_ending_lists_those_that_are_known(tmp_path):
    (tmp_path / 'a.pth').touch()
    with pytest.raises(ValueError, match=r'a.pth: a tracker is an .onnx, .xml \(OpenVINO\), .torchscript or .pt2 file'):
        init_tracker(tmp_path / 'a.pth')


@pytest.mark.parametrize('suffix, module', [
    ('.onnx', 'onnxruntime'), ('.xml', 'openvino'), ('.torchscript', 'torch'), ('.pt2', 'torch')])
def test_a_damaged_file_is_named(tmp_path, suffix, module):
    pytest.importorskip(module, reason=f'{suffix} needs {module}')
    path = tmp_path / f'broken{suffix}'
    path.write_bytes(b'not what it seems')
    with pytest.raises(ValueError, match=f'broken{suffix} cannot be loaded by'):
        init_tracker(path)


def test_a_torchscript_file_of_others_is_refused(tmp_path):
    path = tmp_path / 'theirs.torchscript'
    torch.jit.save(torch.jit.trace(torch.nn.Linear(2, 2), torch.zeros(1, 2)), str(path))
    with pytest.raises(ValueError, match='theirs.torchscript is not a ct_mm tracker'):
        init_tracker(path)


def test_an_onnx_file_of_others_is_refused(tmp_path):
    onnx = pytest.importorskip('onnx', reason='writes an .onnx file')
    pytest.importorskip('onnxruntime', reason='.onnx files run in it')
    value = [onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, [1]) for name in ('a', 'b')]
    graph = onnx.helper.make_graph([onnx.helper.make_node('Abs', ['a'], ['b'])], 'g', value[:1], value[1:])
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid('', 18)], ir_version=9)
    onnx.save(model, str(tmp_path / 'theirs.onnx'))
    with pytest.raises(ValueError, match='theirs.onnx is not a ct_mm tracker'):
        init_tracker(tmp_path / 'theirs.onnx')


def test_an_openvino_file_of_others_is_refused(tmp_path):
    openvino = pytest.importorskip('openvino', reason='writes an .xml file')
    a = openvino.opset13.parameter([1], openvino.Type.f32)
    openvino.save_model(openvino.Model([openvino.opset13.abs(a)], [a]), str(tmp_path / 'theirs.xml'))
    with pytest.raises(ValueError, match='theirs.xml is not a ct_mm tracker'):
        init_tracker(tmp_path / 'theirs.xml')


@pytest.mark.parametrize('file_format, options, message', [
    ('onnx', dict(precision='bf16'), 'computes in the precision of the file'),
    ('onnx', dict(device='tpu'), "device 'tpu' is not available"),
    ('openvino', dict(precision='int4'), 'precision must be one of fp32, bf16, fp16'),
    ('openvino', dict(device='tpu'), 'OpenVINO has no device TPU here'),
    ('torchscript', dict(precision='fp16'), "precision is 'fp32' or 'bf16'")])
def test_what_a_runtime_cannot_do_is_said(exported, file_format, options, message):
    path = exported(file_format)
    with pytest.raises(ValueError, match=message):
        init_tracker(path, **options)


def test_a_missing_runtime_says_how_to_get_it(tmp_path, monkeypatch):
    (tmp_path / 'a.onnx').touch()
    (tmp_path / 'a.xml').touch()
    for module in ('onnxruntime', 'openvino'):
        monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(ImportError, match='pip install onnxruntime'):
        init_tracker(tmp_path / 'a.onnx')
    with pytest.raises(ImportError, match='pip install openvino'):
        init_tracker(tmp_path / 'a.xml')
