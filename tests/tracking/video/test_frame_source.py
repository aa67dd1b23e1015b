import http.server
import re
import threading

import cv2
import numpy as np
import pytest

from ct_mm.package_files import package_file
from ct_mm.tracking.video.frame_source import FrameSource, SourceError


def draw(index, height=64, width=80):
    """Frame ``index``, RGB: a disc around (12 + 4 * index, 30) on grey."""
    image = np.full((height, width, 3), 60, np.uint8)
    cv2.circle(image, (12 + 4 * index, 30), 8, (250, 200, 20), -1)
    return image


def write_video(path, count=10):
    """Motion JPEG in AVI: every frame for itself, so that one of them can be damaged."""
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*'MJPG'), 12, (80, 64))
    for index in range(count):
        writer.write(draw(index)[..., ::-1])
    writer.release()
    return path


@pytest.fixture
def video(tmp_path):
    """Ten frames."""
    return write_video(tmp_path / 'disc.avi')


@pytest.fixture
def images(tmp_path):
    """Twelve PNG files whose numbers have no leading zeros."""
    (tmp_path / 'walk').mkdir()
    for index in range(12):
        cv2.imwrite(str(tmp_path / 'walk' / f'{index + 1}.png'), draw(index)[..., ::-1])
    return tmp_path / 'walk'


@pytest.fixture
def stream():
    """Serves frames as Motion JPEG and hangs up after the last; gives the address of a list of frames."""
    frames = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.send_header('Content-Type', 'multipart/x-mixed-replace; boundary=frame')
            self.end_headers()
            for image in frames:
                data = cv2.imencode('.jpg', image[..., ::-1])[1].tobytes()
                self.wfile.write(b'--frame\r\nContent-Type: image/jpeg\r\nContent-Length: %d\r\n\r\n' % len(data))
                self.wfile.write(data + b'\r\n')

        def log_message(self, *args):
            pass

    server = http.server.ThreadingHTTPServer(('127.0.0.1', 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.01, ), daemon=True).start()

    def serve(images):
        frames[:] = images
        return f'http://127.0.0.1:{server.server_port}/video'

    yield serve
    server.shutdown()
    server.server_close()


def centres(frames):
    """Where the disc is in each frame."""
    return [float(np.nonzero(frame[..., 0] > 150)[1].mean()) for frame in frames]


def collect(source):
    """The frames up to an error, and its message."""
    frames = []
    with pytest.raises(SourceError) as error:
        for image in source:
            frames.append(image)
    return frames, str(error.value)


def test_a_video(video):
    source = FrameSource(video)
    assert (source.name, source.fps, source.length, source.is_live) == ('disc', 12, 10, False)
    frames = list(source)
    assert centres(frames) == pytest.approx([12 + 4 * i for i in range(10)], abs=0.5)
    assert frames[0].dtype == np.uint8 and abs(frames[0][30, 12].astype(int) - (250, 200, 20)).max() < 12  # RGB
    assert len(list(source)) == 10, 'it can be read again'


def test_images_of_a_folder_and_of_a_pattern_come_in_the_order_of_their_numbers(images):
    for source in (FrameSource(images), FrameSource(images / '*.png')):
        assert (source.name, source.fps, source.length) == ('walk', None, 12)
        assert centres(source) == [12 + 4 * i for i in range(12)]
    assert FrameSource(images / '1?.png').length == 3


def test_frames_left_out(video, images):
    for source in (FrameSource(video, skip=7), FrameSource(images, skip=9)):
        assert source.length == 3
        assert centres(source)[0] == pytest.approx(12 + 4 * source.skip, abs=0.5)
    with pytest.raises(ValueError, match='has 12 frames, so none remain after skipping 12'):
        FrameSource(images, skip=12)
    with pytest.raises(SourceError, match='has only 10 frames, so none remain after skipping 12'):
        next(iter(FrameSource(video, skip=12)))


def test_a_stream_that_ends_says_so(stream):
    source = FrameSource(stream([draw(i) for i in range(6)]))
    assert source.is_live and source.length is None and source.name == 'stream'
    frames, message = collect(source)
    assert centres(frames) == pytest.approx([12 + 4 * i for i in range(6)], abs=0.5)
    assert message.endswith('the stream ended or dropped after frame 6')


def test_images_that_change_size(images):
    cv2.imwrite(str(images / '4.png'), draw(0, 20, 30))
    frames, message = collect(FrameSource(images, skip=1))
    assert len(frames) == 2
    assert message.startswith(f'{images / "4.png"} is 30x20 pixels, but the previous frames are 80x64')


class Camera:
    """Number 2 gives three frames, number 3 changes its mind; there are no others."""

    def __init__(self, number):
        last = draw(0, 96, 128) if number == 3 else draw(2)
        self.frames = iter([draw(0), draw(1), last])
        self.isOpened = lambda: number in (2, 3)

    def get(self, key):
        return -1.

    def read(self):
        image = next(self.frames, None)
        return image is not None, image

    def release(self):
        pass


def test_a_camera(monkeypatch):
    monkeypatch.setattr(cv2, 'VideoCapture', Camera)
    source = FrameSource(2)
    assert (source.name, source.fps, source.length, source.is_live) == ('camera2', None, None, True)
    frames, message = collect(source)
    assert len(frames) == 3 and message == '2: the stream ended or dropped after frame 3'
    frames, message = collect(FrameSource('3'))
    assert len(frames) == 2 and message.startswith('3: frame 3 is 128x96 pixels, but the previous frames are 80x64')
    with pytest.raises(OSError, match='5: OpenCV cannot open this camera: is it connected'):
        FrameSource('5')


def test_a_damaged_frame_of_a_video_is_named(video):
    data = bytearray(video.read_bytes())
    start = [match.start() for match in re.finditer(b'\xff\xd8\xff', data)][4]
    stop = data.index(b'\xff\xd9', start) + 2
    data[start:stop] = bytes(stop - start)
    video.write_bytes(data)
    frames, message = collect(FrameSource(video))
    assert len(frames) == 4 and message.endswith('disc.avi: frame 5 cannot be decoded; the file is damaged there')
    _, message = collect(FrameSource(video, skip=2))
    assert 'frame 5 cannot' in message, 'numbers count frames of the file'


def test_a_video_that_is_cut_off(tmp_path):
    data = package_file('demo/clips/bunny/bunny.mp4').read_bytes()
    (tmp_path / 'half.mp4').write_bytes(data[:len(data) // 4])
    frames, message = collect(FrameSource(tmp_path / 'half.mp4'))
    assert f'frame {len(frames) + 1} cannot be decoded; the file is truncated' in message and len(frames) > 1


def test_a_wrong_number_of_frames_in_the_header_is_no_damage(video):
    data = bytearray(video.read_bytes())
    for place in (data.index(b'avih') + 24, data.index(b'strh') + 40):
        data[place:place + 4] = (40).to_bytes(4, 'little')
    video.write_bytes(data)
    source = FrameSource(video)
    assert source.length == 40 and len(list(source)) == 10


def test_a_truncated_image_is_named(images):
    data = (images / '3.png').read_bytes()
    (images / '3.png').write_bytes(data[:-20])
    frames, message = collect(FrameSource(images))
    assert len(frames) == 2 and message.startswith(f'image file {images / "3.png"} is truncated')


@pytest.mark.parametrize('name, error, message', [
    ('nothing.mp4', FileNotFoundError, 'video, folder or image .*nothing.mp4 does not exist'),
    ('no*.jpg', FileNotFoundError, r'no file matches the pattern .*no\*.jpg'),
    ('', FileNotFoundError, 'contains no images'),
    ('empty.mp4', ValueError, 'empty.mp4 is empty'),
    ('text.mp4', OSError, 'text.mp4: OpenCV cannot open this video: the file is damaged, or not a video'),
    ('one.png', ValueError, "one.png is a single image; give its folder, or a pattern such as '.*.png'"),
])
def test_what_is_no_source(tmp_path, name, error, message):
    (tmp_path / 'files').mkdir()
    place = tmp_path / 'files' / name
    if name == 'empty.mp4':
        place.touch()
    if name == 'text.mp4':
        place.write_text('not a video\n' * 100)
    if name == 'one.png':
        cv2.imwrite(str(place), draw(0))
    with pytest.raises(error, match=message):
        FrameSource(place)


def test_a_stream_that_is_not_there():
    with pytest.raises(OSError, match='http://127.0.0.1:9/: OpenCV cannot open this stream: is the address right'):
        FrameSource('http://127.0.0.1:9/', timeout=2)
