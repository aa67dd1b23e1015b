import io

from ct_mm.tracking.video.progress import Progress


class Terminal(io.StringIO):
    def isatty(self):
        return True


def run(stream, total, times):
    """Text after a frame at each of these seconds."""
    clock = iter([0., *times, 1e9])
    progress = Progress(total, stream, lambda: next(clock))
    for done in range(1, len(times) + 1):
        progress(done)
    return progress, stream.getvalue()


def test_a_terminal_has_one_line():
    progress, text = run(Terminal(), 8000, [0.1, 0.5, 0.6, 2.0])
    lines = text.split('\r')[1:]
    assert len(lines) == 2, 'not at every frame'
    assert lines[0].startswith('[....................] frame 2/8000  4.0 frames/s  33:20 left')
    assert 'frame 4/8000  2.0 frames/s  1:06:38 left' in lines[1] and len(lines[1]) >= len(lines[0])
    progress.close()
    assert progress._stream.getvalue().endswith('\r') and '\n' not in progress._stream.getvalue()


def test_the_bar_fills():
    assert run(Terminal(), 4, [1., 2., 3.])[1].split('\r')[-1].startswith('[###############.....] frame 3/4')


def test_a_log_has_a_line_now_and_then():
    assert run(io.StringIO(), 100, [10., 31., 40., 62.])[1].split('\n') == [
        'frame 2/100  0.1 frames/s  25:19 left', 'frame 4/100  0.1 frames/s  24:48 left', '']


def test_nobody_knows_how_long_a_stream_is():
    assert run(io.StringIO(), None, [40.])[1] == 'frame 1  0.0 frames/s\n'
    assert run(io.StringIO(), 1, [10., 40.])[1] == 'frame 2  0.1 frames/s\n', 'more frames than the header says'
