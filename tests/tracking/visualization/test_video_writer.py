import subprocess
import sys

import cv2
import numpy as np
import pytest

from ct_mm.tracking.visualization import VideoWriter


def read(path):
    capture, frames = cv2.VideoCapture(str(path)), []
    while True:
        success, image = capture.read()
        if not success:
            break
        frames.append(cv2.cvtColor(image, cv2.COLOR_BGR2RGB))
    capture.release()
    return frames


def frames(count=7, height=90, width=120):
    return [np.full((height, width, 3), (200, 20 * i, 40), np.uint8) for i in range(count)]


def test_what_was_written_can_be_read(tmp_path):
    path = tmp_path / 'new' / 'a.mp4'
    with VideoWriter(path, fps=12.5) as writer:
        for image in frames():
            writer.write(image)
        assert not path.exists()
    assert [file.name for file in path.parent.iterdir()] == ['a.mp4']
    result = read(path)
    assert len(result) == 7 and result[0].shape == (90, 120, 3)
    for image, expected in zip(result, frames()):  # RGB in the right order
        assert abs(image.mean((0, 1)) - expected.mean((0, 1))).max() < 6
    assert cv2.VideoCapture(str(path)).get(cv2.CAP_PROP_FPS) == pytest.approx(12.5)


def test_browsers_play_it(tmp_path):
    ffmpeg = pytest.importorskip('imageio_ffmpeg')
    path = tmp_path / 'a.mp4'
    with VideoWriter(path) as writer:
        writer.write(frames()[0])
    done = subprocess.run([ffmpeg.get_ffmpeg_exe(), '-i', str(path)], capture_output=True, text=True,
                          timeout=60)
    assert 'h264' in done.stderr and 'yuv420p' in done.stderr
    data = path.read_bytes()
    assert data.index(b'moov') < data.index(b'mdat')  # the index in front


@pytest.mark.parametrize('height, width', [(91, 120), (90, 121), (91, 121)])
def test_odd_sizes_gain_a_row_or_a_column(tmp_path, height, width):
    with VideoWriter(tmp_path / 'a.mp4') as writer:
        for image in frames(2, height, width):
            writer.write(image)
    result = read(tmp_path / 'a.mp4')
    assert len(result) == 2 and result[0].shape == (height + height % 2, width + width % 2, 3)
    assert abs(result[0].mean((0, 1)) - (200, 0, 40)).max() < 6


def test_an_error_in_the_block_leaves_the_older_file_and_nothing_else(tmp_path):
    (tmp_path / 'a.mp4').write_bytes(b'older')
    with pytest.raises(RuntimeError, match='stop'), VideoWriter(tmp_path / 'a.mp4') as writer:
        writer.write(frames()[0])
        raise RuntimeError('stop')
    assert [file.name for file in tmp_path.iterdir()] == ['a.mp4']
    assert (tmp_path / 'a.mp4').read_bytes() == b'older'


def test_an_encoder_that_refuses_leaves_nothing(tmp_path):
    with pytest.raises(OSError), VideoWriter(tmp_path / 'a.mp4') as writer:
        write_frames = writer._ffmpeg.write_frames
        writer._ffmpeg = type('Broken', (), dict(
            write_frames=staticmethod(lambda *args, **keywords: write_frames(*args, **{**keywords, 'codec': 'none'}))))
        for image in frames(200, 300, 300):  # more than a pipe holds
            writer.write(image)
    assert not list(tmp_path.iterdir())


def test_an_encoder_that_fails_at_the_end_leaves_nothing(tmp_path):

    def half_a_file(path, *args, **keywords):
        with open(path, 'wb') as stream:
            while True:
                try:
                    stream.write((yield)[:1])
                except GeneratorExit:
                    return

    with pytest.raises(OSError, match='only 0 of 7 frames are in the file'), VideoWriter(tmp_path / 'a.mp4') as writer:
        writer._ffmpeg = type('Broken', (), dict(write_frames=staticmethod(half_a_file)))
        for image in frames():
            writer.write(image)
    assert not list(tmp_path.iterdir())


def test_wrong_frames_are_named(tmp_path):
    with pytest.raises(ValueError, match='frame 1 is 10 x 20 pixels, but the first is 120 x 90'):
        with VideoWriter(tmp_path / 'a.mp4') as writer:
            writer.write(frames()[0])
            writer.write(np.zeros((20, 10, 3), np.uint8))
    with pytest.raises(ValueError, match='frame 0 must be RGB uint8'), VideoWriter(tmp_path / 'a.mp4') as writer:
        writer.write(np.zeros((20, 10, 3)))
    with pytest.raises(ValueError, match='no frame was written'), VideoWriter(tmp_path / 'a.mp4'):
        pass
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize('arguments', [('a.avi', ), ('a.mp4', 0), ('a.mp4', float('nan')), ('a.mp4', 25, 11)])
def test_wrong_arguments(tmp_path, arguments):
    with pytest.raises(ValueError, match=arguments[0]):
        VideoWriter(tmp_path / arguments[0], *arguments[1:])


def test_a_missing_encoder_says_how_to_get_it(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, 'imageio_ffmpeg', None)
    with pytest.raises(ImportError, match='pip install imageio-ffmpeg'):
        VideoWriter(tmp_path / 'a.mp4')
