"""Checkpoints, students, exported trackers and results of an earlier version still load and give its numbers.

``data/files.tar.xz`` holds the files, written on a CPU with PyTorch 2.13, ONNX Runtime 1.32 and OpenVINO 2026.4:

* ``tracker.py``, ``tracker.pth``: a tracker with 4 layers of width 16;
* ``plain``, ``folded``, ``divided``: its compression to 2 layers: the students, and checkpoints of step 3 of 8;
* ``exported``: the student of ``plain`` in every format, also int8;
* ``results``: an evaluation stopped after the first of two sequences; ``pairs``: training pairs made once.

Nothing here names a module of ct_mm other than its public ones, so the tests hold wherever the code lies.
"""
import json
import tarfile
from pathlib import Path

import cv2
import mmengine.config.config
import mmengine.device.utils
import numpy as np
import pytest
import torch
from mmengine.config import Config

from ct_mm import test, train
from ct_mm.registry import DATASETS, MODELS
from ct_mm.tracking import init_model, init_tracker

DATA = Path(__file__).parent / 'data'
STUDENTS = ('plain', 'folded', 'divided')
CLOSE = dict(rtol=1e-4, atol=1e-6)


def walking_square(seed, frames=7):
    """Frames (T, 72, 96, 3) uint8 RGB of a bright square on noise, and its boxes (T, 4), xywh in pixels."""
    rng = np.random.default_rng(seed)
    ground = rng.integers(0, 120, (72, 96, 3), np.uint8)
    boxes = np.array([30, 24, 16, 14]) + np.arange(frames)[:, None] * [2, 1, 0, 0]
    images = np.repeat(ground[None], frames, axis=0)
    for image, (x, y, w, h) in zip(images, boxes):
        image[y:y + h, x:x + w] = 40, 200, 250
    return images, boxes.astype(float)


def write_sequences(root):
    """Writes two such sequences as a folder that ``ct_mm.SequenceFolder`` reads."""
    for seed, name in enumerate(('first', 'second')):
        folder = Path(root, name)
        folder.mkdir(parents=True)
        images, boxes = walking_square(seed)
        for number, image in enumerate(images, start=1):
            cv2.imwrite(str(folder / f'{number:08d}.png'), image[..., ::-1])
        np.savetxt(folder / 'groundtruth.txt', boxes, fmt='%d', delimiter=',')


def track(tracker, seed=0):
    """Follows the square; boxes and scores of the frames after the first, (T - 1, 5)."""
    images, boxes = walking_square(seed)
    tracker.init(images[0], boxes[0])
    return np.array([[*box, score] for box, score in map(tracker.track, images[1:])])


@pytest.fixture(scope='session')
def expected():
    """Arrays by name: what the earlier version computed."""
    with np.load(DATA / 'expected.npz') as arrays:
        return dict(arrays)


@pytest.fixture
def files(tmp_path, monkeypatch):
    """A current folder with the files of the earlier version."""
    with tarfile.open(DATA / 'files.tar.xz') as archive:
        archive.extractall(tmp_path, filter='data')
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv('LOCAL_RANK', '0')
    monkeypatch.setenv('CUDA_VISIBLE_DEVICES', '')
    monkeypatch.setattr(mmengine.device.utils, 'DEVICE', 'cpu')
    return tmp_path


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    """MMEngine formats the config of a run several times, for a second each time."""
    from yapf.yapflib import yapf_api
    for module in (yapf_api, mmengine.config.config):  # 0.10.7 has it in the latter
        monkeypatch.setattr(module, 'FormatCode', lambda text, **_: (text, False), raising=False)


@pytest.fixture
def four_layers():
    """A backbone of a user's own whose config cannot say how many layers it has."""

    class FourLayers(MODELS.get('ct_mm.OneStreamViT')):

        def __init__(self, **kwargs):
            super().__init__(depth=4, **kwargs)

    MODELS.register_module(name='FourLayers', module=FourLayers, force=True)
    yield
    MODELS.module_dict.pop('FourLayers')


@torch.no_grad()
def outputs(model):
    """What a tracker puts out for fixed inputs, by name."""
    rng = np.random.default_rng(3)
    inputs = {name: torch.from_numpy(rng.standard_normal((2, 3, size, size), np.float32))
              for name, size in (('template', 32), ('search', 64))}
    return {name: value.numpy() for name, value in model.eval()(inputs, mode='tensor').items()}


def fingerprint(tensors):
    """Three numbers of each tensor that change with any of its values, (N, 3)."""
    rows = []
    for _, value in sorted(tensors.items()):
        value = value.double().flatten()
        rows.append([value.mean(), value.abs().mean(), (value * torch.arange(len(value)).double().cos()).mean()])
    return torch.tensor(rows).numpy()


def logged(work_dir):
    """The scalars of every training step that a run logged, by name."""
    file = sorted(Path(work_dir).glob('*/vis_data/scalars.json'))[-1]
    steps = [json.loads(line) for line in file.read_text().splitlines()]
    names = [name for name in steps[-1] if name not in ('time', 'data_time', 'memory', 'eta')]
    return {name: np.array([step[name] for step in steps if name in step], float) for name in names}


def check(expected, prefix, found):
    """Compares arrays with all those of the earlier version whose names begin with the prefix."""
    names = [name for name in expected if name.startswith(prefix)]
    assert names and {name.removeprefix(prefix) for name in names} <= found.keys()
    for name in names:
        np.testing.assert_allclose(found[name.removeprefix(prefix)], expected[name], err_msg=name, **CLOSE)


@pytest.mark.parametrize('name', STUDENTS)
def test_students(files, four_layers, expected, name):
    folder = files / name / 'student'
    student = init_model(folder / 'student.py', folder / 'student.pth')
    assert (Config.fromfile(folder / 'student.py').model.backbone.type
            == {'plain': 'ct_mm.OneStreamViT'}.get(name, 'ct_mm.StageDividedBackbone'))
    check(expected, f'student {name} ', outputs(student))
    check(expected, f'track {name}', {'': track(student)})


def test_the_teacher(files, expected):
    check(expected, 'student teacher ', outputs(init_model('tracker.py', 'tracker.pth')))


def test_a_student_whose_config_names_classes_by_their_modules(files, expected):
    """As it is exported where the tracker's config is in the pure-Python style and imports its classes."""
    student = init_model('plain/student/student_pure_python.py', 'plain/student/student.pth')
    check(expected, 'student plain ', outputs(student))


@pytest.mark.parametrize('config', ['plain.py', 'folded/folded.py'])
def test_trainings_are_resumed(files, expected, config):
    """From the config they were started with, and from the one that MMEngine left in the work dir."""
    name = Path(config).stem
    train.main([config, '--work-dir', name, '--resume', '--device', 'cpu', '--cfg-options',
                f'experiment_name=test_yesterday_{config}'])
    found = logged(name)
    assert list(found['step']) == [4, 5, 6, 7, 8]
    check(expected, f'logged {name} ', found)
    ended = torch.load(files / name / 'iter_8.pth', weights_only=False)
    moments = {f'{index} {key}': value for index, state in ended['optimizer']['state'].items()
               for key, value in state.items()}
    check(expected, f'weights {name}', {'': fingerprint(ended['state_dict'])})
    check(expected, f'moments {name}', {'': fingerprint(moments)})
    student = init_model(f'{name}/student/student.py', f'{name}/student/student.pth')
    check(expected, f'student {name} ', outputs(student))


@pytest.mark.parametrize('file, needed', [
    ('student.onnx', 'onnxruntime'), ('student.xml', 'openvino'), ('student.torchscript', 'torch'),
    ('student.pt2', 'torch'), ('student_int8.onnx', 'onnxruntime'), ('student_int8.xml', 'openvino')])
def test_exported_trackers(files, expected, file, needed):
    pytest.importorskip(needed, reason=f'{file} needs {needed}')
    if file.endswith('.pt2') and torch.__version__ < '2.13':
        pytest.skip('PyTorch reads no .pt2 file of a later version')
    precision = 'fp32' if file == 'student.xml' else None
    found = track(init_tracker(f'exported/{file}', precision=precision))
    before = expected[f'track {file}']
    if 'int8' in file:  # sums differ between kinds of processors, and each frame searches around the box before
        found, before = found[:1], before[:1]
    np.testing.assert_allclose(found[:, :4], before[:, :4], rtol=0, atol=1.0 if 'int8' in file else 0.05)
    np.testing.assert_allclose(found[:, 4], before[:, 4], rtol=0, atol=0.05 if 'int8' in file else 1e-4)


def test_an_evaluation_is_resumed(files, expected):
    write_sequences('sequences')
    done = (files / 'results' / 'first.txt').stat().st_mtime_ns
    test.main(['tracker.py', 'tracker.pth', '--results-dir', 'results', '--device', 'cpu', '--cfg-options',
               'experiment_name=test_yesterday_evaluation'])
    assert (files / 'results' / 'first.txt').stat().st_mtime_ns == done
    for name in ('first', 'second'):
        boxes = np.loadtxt(f'results/{name}.txt', delimiter=',')
        np.testing.assert_allclose(boxes, expected[f'result {name}'], rtol=0, atol=0.05)


def test_packed_pairs_are_read(files, expected):
    pairs = DATASETS.build(dict(type='ct_mm.PackedPairs', data_root='pairs'))
    assert len(pairs) == 2
    for index in range(2):
        for side, facts in pairs[index].items():
            if side != 'source':
                found = [*facts['bbox'], facts['img'].mean(), facts['img'].std()]
                np.testing.assert_allclose(found, expected[f'pair {index} {side}'], rtol=1e-5)
