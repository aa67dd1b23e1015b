"""The command that tracks in a video: what it writes, and what it says when something goes wrong."""
import contextlib
import io
import os
import runpy
import signal
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from clean_process import run_clean

import ct_mm.track
from ct_mm.track import main
from ct_mm.tracking.runtime.geometries import SquareCrops
from ct_mm.tracking.runtime.memories import FixedTemplate
from ct_mm.tracking.runtime.model_card import CARD_KEY, ModelCard

ROOT = Path(__file__).resolve().parents[1]
BOX = ['--box', '12', '20', '16', '14.5']
CARD = ModelCard.of('Test', SquareCrops(8, 16), FixedTemplate())
# Stands in for ONNX Runtime: a network that sees the target where it was.
FAKE_RUNTIME = """
import numpy as np, pathlib
__version__ = '1'
class SessionOptions: pass
class RunOptions: pass
def get_available_providers(): return ['CPUExecutionProvider']
class InferenceSession:
    def __init__(self, path, *args, **keywords): self.card = pathlib.Path(path).read_text()
    def get_modelmeta(self): return type('Meta', (), dict(custom_metadata_map={'ct_mm': self.card}))
    def get_inputs(self): return []
    def get_outputs(self): return [type('Output', (), dict(name=name)) for name in ('box', 'score')]
    def run(self, names, feed): return np.full((1, 4), 0.5, np.float32), np.full((1, 1), 0.75, np.float32)
"""


class Stub:
    """Moves its box two pixels to the right a frame; in frame ``at`` it does something."""

    def __init__(self, at=None, action=None):
        self.at, self.action = at, action

    def init(self, image, box):
        self.box, self.frame = np.array(box), 1

    def track(self, image):
        self.frame += 1
        if self.frame == self.at:
            self.action()
        self.box = self.box + [2, 0, 0, 0]
        return self.box, 0.5


@pytest.fixture
def images(tmp_path):
    (tmp_path / 'walk').mkdir()
    for index in range(8):
        cv2.imwrite(str(tmp_path / 'walk' / f'{index + 1:03d}.png'), np.full((64, 81, 3), 20 * index, np.uint8))
    return tmp_path / 'walk'


@pytest.fixture
def track(images, tmp_path, monkeypatch):
    """Runs the command on eight images; returns the exit code and the files written, without the suffix .mp4."""

    def run(*options, source=images, box=BOX, tracker=None, model='stub.onnx'):
        with monkeypatch.context() as patch:
            if model == 'stub.onnx':
                patch.setattr(ct_mm.track, 'init_tracker', lambda *args, **keywords: tracker or Stub())
            code = main([str(value) for value in (model, *options, *box, '--out-dir', tmp_path / 'out', source)])
        files = [path for path in (tmp_path / 'out').rglob('*') if path.is_file()]
        return code, {path.relative_to(tmp_path / 'out').as_posix(): path for path in files}

    return run


@pytest.fixture
def refused(track, capsys):
    """Checks that the command ends with code 2 and this message, and that it tracked and wrote nothing."""

    def run(message, *options, **keywords):
        class Never(Stub):
            def track(self, image):
                pytest.fail('it has begun to track')

        with pytest.raises(SystemExit, match='2'):
            track(*options, **{'tracker': Never(), **keywords})
        error = capsys.readouterr().err
        assert message in ' '.join(error.split()), error

    return run


def frames_of(path):
    capture, frames = cv2.VideoCapture(str(path)), []
    while True:
        success, image = capture.read()
        if not success:
            return frames
        frames.append(image[..., ::-1].astype(int))


def rows_of(path):
    return np.loadtxt(path, delimiter=',', ndmin=2)


def test_a_track_as_text_and_video(track, capsys):
    code, files = track('--fps', 10)
    assert code == 0 and set(files) == {'walk.txt', 'scores/walk.txt', 'walk.mp4'}
    assert files['walk.txt'].read_text().splitlines()[:2] == [
        '12.0000,20.0000,16.0000,14.5000', '14.0000,20.0000,16.0000,14.5000']
    assert files['scores/walk.txt'].read_text().split() == ['1.0000'] + 7 * ['0.5000']
    frames = frames_of(files['walk.mp4'])
    assert len(frames) == 8 and frames[0].shape[0] > 64 and frames[0].shape[1] == 82
    for index, frame in enumerate(frames):  # the orange left side of the box, over grey
        orange = np.nonzero(frame[27, :, 0] - frame[27, :, 2] > 60)[0]
        assert abs(orange[0] - (12 + 2 * index)) <= 2 and abs(orange[-1] - (28 + 2 * index)) <= 2
    output = capsys.readouterr()
    assert output.out.split() == [str(files[name]) for name in ('walk.txt', 'scores/walk.txt', 'walk.mp4')]
    assert '8 frames tracked' in output.err


def test_several_targets_by_box_and_by_file(track, tmp_path):
    (tmp_path / 'truth.txt').write_text(''.join(f'{i},10,20,20\n' for i in range(8)))
    code, files = track('--box-file', tmp_path / 'truth.txt', '--name', 'cat', '--name', 'Hündin', '--start-frame', 3,
                        '--max-frames', 4)
    assert code == 0
    assert set(files) == {'cat.txt', 'scores/cat.txt', 'Hündin.txt', 'scores/Hündin.txt', 'walk.mp4'}
    assert rows_of(files['Hündin.txt'])[:, 0].tolist() == [2, 4, 6, 8], 'from the third line on, four frames'
    assert rows_of(files['cat.txt'])[:, 0].tolist() == [12, 14, 16, 18]
    frames = frames_of(files['walk.mp4'])
    assert len(frames) == 4 and abs(frames[0][5, 70] - 40).max() < 6, 'the third image'


def test_text_only_and_nothing_else_is_needed(track, monkeypatch):
    monkeypatch.setitem(sys.modules, 'imageio_ffmpeg', None)
    assert set(track('--no-video')[1]) == {'walk.txt', 'scores/walk.txt'}


def test_a_missing_encoder_is_noticed_before_tracking(refused, monkeypatch):
    monkeypatch.setitem(sys.modules, 'imageio_ffmpeg', None)
    refused('pip install imageio-ffmpeg')


def end_by_signal(name, images, folder):
    number = getattr(signal, name)
    signal.signal(number, signal.SIG_DFL)  # a process in the background may have been started with Ctrl-C ignored
    tracker = Stub(5, lambda: os.kill(os.getpid(), number))
    ct_mm.track.init_tracker = lambda *args, **keywords: tracker
    with contextlib.redirect_stderr(io.StringIO()) as told:
        code = main(['stub.onnx', *BOX, '--out-dir', str(folder), str(images)])
    assert code == 128 + number and f'ended by {name}' in told.getvalue()
    assert signal.getsignal(number) == signal.SIG_DFL


@pytest.mark.parametrize('name', ['SIGINT', 'SIGTERM'])
def test_a_signal_keeps_what_was_tracked(images, tmp_path, name):
    assert run_clean(end_by_signal, name, images, tmp_path / 'out') == 0
    files = {path.relative_to(tmp_path / 'out').as_posix(): path
             for path in (tmp_path / 'out').rglob('*') if path.is_file()}
    assert len(rows_of(files['walk.txt'])) == len(frames_of(files['walk.mp4'])) == 5
    assert set(files) == {'walk.txt', 'scores/walk.txt', 'walk.mp4'}


def test_a_source_that_stops_keeps_what_was_tracked(track, images, capsys):
    data = (images / '006.png').read_bytes()
    (images / '006.png').write_bytes(data[:-9])
    code, files = track()
    assert code == 3 and '006.png is truncated' in capsys.readouterr().err
    assert len(rows_of(files['walk.txt'])) == len(frames_of(files['walk.mp4'])) == 5


def test_an_encoder_that_fails_keeps_the_text(track, monkeypatch, capsys):
    from ct_mm.tracking.visualization import VideoWriter
    write = VideoWriter.write

    def fail(self, image):
        if self.frames == 3:
            raise OSError('disk full')
        write(self, image)

    monkeypatch.setattr(VideoWriter, 'write', fail)
    code, files = track()
    output = capsys.readouterr()
    assert code == 4 and 'writing failed: disk full' in output.err
    assert len(rows_of(files['walk.txt'])) == 4 and len(frames_of(files['walk.mp4'])) == 3


def test_an_error_in_the_tracker_is_no_secret_and_keeps_what_was_tracked(track, tmp_path):
    def fail():
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        track(tracker=Stub(4, fail))
    assert len(rows_of(tmp_path / 'out' / 'walk.txt')) == len(frames_of(tmp_path / 'out' / 'walk.mp4')) == 3


def test_a_header_that_announces_more(track, tmp_path, capsys):
    path = tmp_path / 'short.avi'
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*'MJPG'), 12, (80, 64))
    for _ in range(4):
        writer.write(np.zeros((64, 80, 3), np.uint8))
    writer.release()
    data = bytearray(path.read_bytes())
    for place in (data.index(b'avih') + 24, data.index(b'strh') + 40):
        data[place:place + 4] = (9).to_bytes(4, 'little')
    path.write_bytes(data)
    code, files = track(source=path)
    assert code == 0 and 'announces 9 frames, but no more came' in capsys.readouterr().err
    assert cv2.VideoCapture(str(files['short.mp4'])).get(cv2.CAP_PROP_FPS) == 12


def test_boxes_by_mouse_where_there_is_a_screen(track, refused, monkeypatch):
    drawn = iter([(10, 20, 30, 24), (5, 6, 0, 0)])
    monkeypatch.setattr(cv2, 'currentUIFramework', lambda: 'QT')
    monkeypatch.setattr(cv2, 'selectROI', lambda *args, **keywords: next(drawn))
    monkeypatch.setattr(cv2, 'destroyWindow', lambda name: None)
    monkeypatch.setenv('DISPLAY', ':0')
    assert rows_of(track('--no-video', box=[])[1]['walk.txt'])[0].tolist() == [10, 20, 30, 24]
    refused('no box was drawn around walk', box=[])
    monkeypatch.delenv('DISPLAY')
    monkeypatch.delenv('WAYLAND_DISPLAY', raising=False)
    monkeypatch.setattr(sys, 'platform', 'linux')
    refused('there is no screen here (DISPLAY is not set); name the target with --box X Y W H', box=[])
    refused('there is no screen here (DISPLAY is not set); leave out --show', '--show')
    monkeypatch.setattr(cv2, 'currentUIFramework', lambda: '')
    refused('built without windows', box=[])


def test_a_window_shows_the_frames_until_a_key_is_pressed(track, monkeypatch, capsys):
    shown, keys = [], iter([-1, -1, ord('q')])
    monkeypatch.setattr(cv2, 'currentUIFramework', lambda: 'QT')
    monkeypatch.setenv('DISPLAY', ':0')
    monkeypatch.setattr(cv2, 'imshow', lambda title, image: shown.append((title, image.shape[1])))
    monkeypatch.setattr(cv2, 'waitKey', lambda delay: next(keys))
    monkeypatch.setattr(cv2, 'getWindowProperty', lambda *args: 1.)
    code, files = track('--show', '--no-video')
    assert code == 0 and shown == 3 * [('walk', 81)] and len(rows_of(files['walk.txt'])) == 3
    assert 'ended in the window' in capsys.readouterr().err


@pytest.mark.parametrize('box, message', [
    (['--box', '90', '10', '5', '5'], "target 'walk': the first box [90.0, 10.0, 5.0, 5.0] (xywh) lies outside of the "
     '81x64 frame'),
    (['--box', '10', '10', '0', '5'], "target 'walk': the first box [10.0, 10.0, 0.0, 5.0] (xywh) has no area"),
    (['--box', '10', '10', 'nan', '5'], 'four finite numbers'),
    (['--box-file', 'nothing.txt'], 'file of boxes nothing.txt does not exist'),
    ([*BOX, *BOX, '--name', 'one'], 'there are 2 targets, but 1 names: one'),
])
def test_wrong_boxes(refused, box, message):
    refused(message, box=box)


@pytest.mark.parametrize('options, message', [
    (['--start-frame', '0'], 'must be above 0'), (['--max-frames', '-1'], 'must be above 0'),
    (['--start-frame', '9'], 'has 8 frames, so none remain after skipping 8'), (['--fps', 'nan'], 'must be above 0'),
])
def test_wrong_numbers(refused, options, message):
    refused(message, *options)


def test_wrong_files(refused, tmp_path, images):
    refused(f'video, folder or image {tmp_path / "nothing.mp4"} does not exist', source=tmp_path / 'nothing.mp4')
    refused('tracker nothing.onnx does not exist', model='nothing.onnx')
    refused('tiny_tracker.py is a config, which needs one weight file; got none', model='tiny_tracker.py')
    (tmp_path / 'other.onnx.txt').touch()
    refused('a tracker is an .onnx, .xml (OpenVINO)', model=tmp_path / 'other.onnx.txt')
    (images / '001.png').write_bytes(b'no image')
    refused('001.png (8 bytes) cannot be decoded')
    assert not (tmp_path / 'out').exists()


def test_output_that_cannot_be_written_is_noticed_before_tracking(refused, tmp_path, images):
    (tmp_path / 'out').touch()
    refused(str(tmp_path / 'out'))
    (tmp_path / 'out').unlink()
    (tmp_path / 'out' / 'walk.mp4').mkdir(parents=True)
    refused('walk.mp4 is a folder, but a video must be written there')
    assert [path.name for path in (tmp_path / 'out').iterdir() if path.is_file()] == []


def test_the_source_is_never_replaced(refused, tmp_path):
    (tmp_path / 'out').mkdir()
    path = tmp_path / 'out' / 'clip.mp4'
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*'mp4v'), 12, (80, 64))
    for _ in range(4):
        writer.write(np.zeros((64, 80, 3), np.uint8))
    writer.release()
    before = path.read_bytes()
    refused('clip.mp4 would be replaced by the result; name another folder with --out-dir', source=path)
    assert path.read_bytes() == before


def test_an_exported_tracker_needs_neither_pytorch_nor_mmengine(tmp_path):
    (tmp_path / 'onnxruntime.py').write_text(FAKE_RUNTIME)
    (tmp_path / 'tiny.onnx').write_text(CARD.to_json())
    code = ('import sys; from ct_mm.track import main; code = main(sys.argv[1:]); print(code, sorted({name for name in '
            "('torch', 'mmengine', 'mmcv') if name in sys.modules}), 'onnxruntime' in sys.modules)")
    command = [sys.executable, '-c', code, 'tiny.onnx', 'ct_mm::demo/clips/bunny/bunny.mp4', '--box', '77', '75', '214',
               '205', '--max-frames', '3', '--out-dir', 'out']
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120,
                          env={**os.environ, 'PYTHONPATH': os.pathsep.join([str(tmp_path), str(ROOT)])})
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == '0 [] True'
    assert len(rows_of(tmp_path / 'out' / 'bunny.txt')) == 3 and len(frames_of(tmp_path / 'out' / 'bunny.mp4')) == 3


def test_a_network_in_onnx_runtime(track, tmp_path):
    onnx = pytest.importorskip('onnx', reason='writes a network in ONNX')
    pytest.importorskip('onnxruntime', reason='runs it')
    inputs = [onnx.helper.make_tensor_value_info(name, onnx.TensorProto.UINT8, [1, size, size, 3])
              for name, size in (('template', 8), ('search', 16))]
    values = dict(box=np.array([[0.5, 0.5, 0.25, 0.25]], np.float32), score=np.array([[0.75]], np.float32))
    nodes = [onnx.helper.make_node('Constant', [], [name], value=onnx.numpy_helper.from_array(value))
             for name, value in values.items()]
    outputs = [onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, value.shape)
               for name, value in values.items()]
    model = onnx.helper.make_model(
        onnx.helper.make_graph(nodes, 'test', inputs, outputs), opset_imports=[onnx.helper.make_opsetid('', 17)],
        ir_version=8)
    for name, path in (('foreign', tmp_path / 'foreign.onnx'), (CARD_KEY, tmp_path / 'ours.onnx')):
        onnx.helper.set_model_props(model, {name: CARD.to_json()})
        onnx.save(model, path)
    code, files = track('--threads', 1, model=tmp_path / 'ours.onnx')
    assert code == 0 and set(files['scores/walk.txt'].read_text().split()[1:]) == {'0.7500'}
    with pytest.raises(SystemExit, match='2'):
        track(model=tmp_path / 'foreign.onnx')


def test_a_tracker_in_pytorch(track, tmp_path):
    config = 'quickstart/tiny_tracker.py'
    weights = 'ct_mm::demo/teacher/tiny_teacher.pth'
    options = ['--max-frames', '3', '--no-video']
    code, files = track('--checkpoint', weights, *options, model=config)
    expected = files['walk.txt'].read_text()
    assert code == 0 and track(weights, *options, model=config)[1]['walk.txt'].read_text() == expected


def test_the_script_is_the_command(monkeypatch, capsys):
    monkeypatch.setattr(sys, 'argv', ['track_video.py', '--help'])
    with pytest.raises(SystemExit, match='0'):
        runpy.run_path(str(ROOT / 'tools' / 'track_video.py'), run_name='__main__')
    assert 'exit codes:' in capsys.readouterr().out


def fake_onnx(tmp_path, monkeypatch, body):
    (tmp_path / 'onnxruntime.py').write_text(FAKE_RUNTIME + body)
    (tmp_path / 'net.onnx').write_text(CARD.to_json())
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setitem(sys.modules, 'onnxruntime', None)  # so that at the end it is again what it was
    del sys.modules['onnxruntime']
    return str(tmp_path / 'net.onnx')


ERRORS = ['RuntimeError("x")', 'MemoryError()', 'type("Fail", (Exception, ), dict())("x")', 'KeyError("x")',
          'OSError(5, "x")']


@pytest.mark.parametrize('error', ERRORS)
def test_whatever_a_runtime_raises_before_tracking_is_exit_code_2(images, tmp_path, monkeypatch, capsys, error):
    body = f'\nInferenceSession.{{}} = lambda *_, **__: (_ for _ in ()).throw({error})\n'
    for function in ('__init__', 'get_modelmeta', 'run'):
        model = fake_onnx(tmp_path, monkeypatch, body.format(function))
        with pytest.raises(SystemExit) as stopped:
            main([model, str(images), *BOX, '--out-dir', str(tmp_path / 'out')])
        assert stopped.value.code == 2 and 'net.onnx' in capsys.readouterr().err
        del sys.modules['onnxruntime']


@pytest.mark.parametrize('error', ERRORS)
def test_whatever_a_runtime_raises_while_tracking_is_an_error_of_the_tracker(track, error):
    def fail():
        exec(f'raise {error}')

    with pytest.raises(Exception, match='') as raised:
        track(tracker=Stub(4, fail))
    assert type(raised.value).__name__ in error or 'the tracker failed' in str(raised.value)


@pytest.mark.parametrize('box', ['np.full((1, 4), np.nan)', 'np.zeros((1, 3))', 'np.full((1, 4), np.inf)', '["x"]'])
def test_a_network_that_gives_no_box_is_refused(images, tmp_path, monkeypatch, capsys, box):
    body = f'\nInferenceSession.run = lambda *_: ({box}, np.ones((1, 1)))\n'
    with pytest.raises(SystemExit) as stopped:
        main([fake_onnx(tmp_path, monkeypatch, body), str(images), *BOX, '--out-dir', str(tmp_path / 'out')])
    assert stopped.value.code == 2 and 'net.onnx: its network ' in capsys.readouterr().err


def test_a_card_of_another_network_is_refused(images, tmp_path, monkeypatch, capsys):
    body = """
def run(self, names, feed):
    if feed['search'].shape != (1, 32, 32, 3): raise RuntimeError('Got: 16 Expected: 32')
InferenceSession.run = run
"""
    with pytest.raises(SystemExit) as stopped:
        main([fake_onnx(tmp_path, monkeypatch, body), str(images), *BOX, '--out-dir', str(tmp_path / 'out')])
    assert stopped.value.code == 2
    assert 'net.onnx: its network rejects the crop sizes in its card, 8 and 16 pixels' in capsys.readouterr().err
