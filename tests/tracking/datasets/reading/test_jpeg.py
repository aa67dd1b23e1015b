"""Parts of JPEGs against the whole, and what cannot be decoded in parts."""
import cv2
import numpy as np
import pytest

from ct_mm.tracking.datasets.reading import jpeg

SAMPLINGS = ['444', '422', '420', '411', '440']


@pytest.fixture(scope='module')
def photo():
    """Part of a frame of the shipped clip, BGR; neither side is a multiple of 16."""
    from ct_mm.package_files import package_file
    capture = cv2.VideoCapture(str(package_file('demo/clips/bunny/bunny.mp4')))
    frame = capture.read()[1]
    capture.release()
    return frame[:123, :235]


def encode(image, sampling='420', **options):
    flags = [cv2.IMWRITE_JPEG_SAMPLING_FACTOR, getattr(cv2, f'IMWRITE_JPEG_SAMPLING_FACTOR_{sampling}')]
    for name, value in options.items():
        flags += [getattr(cv2, f'IMWRITE_JPEG_{name.upper()}'), value]
    return cv2.imencode('.jpg', image, flags)[1].tobytes()


@pytest.mark.parametrize('options', [{}, dict(rst_interval=3), dict(progressive=1), dict(quality=100)])
@pytest.mark.parametrize('sampling', SAMPLINGS)
@pytest.mark.parametrize('grey', [False, True])
def test_upper_rows_are_those_of_opencv_bit_for_bit(photo, sampling, options, grey):
    data = encode(cv2.cvtColor(photo, cv2.COLOR_BGR2GRAY) if grey else photo, sampling, **options)
    header = jpeg.read_header(data)
    assert (header.height, header.width) == photo.shape[:2] and header.common
    assert header.one_scan == ('progressive' not in options)
    whole = jpeg.decode_with_opencv(data)
    np.testing.assert_array_equal(jpeg.decode(data, header), whole)
    for rows in (1, 16, 33, 100, 122, 123):
        part = jpeg.decode(data, header, rows)
        assert rows <= len(part) and (rows > 110 or (len(part) == rows) == header.one_scan)
        np.testing.assert_array_equal(part[:rows], whole[:rows])


@pytest.mark.parametrize('sampling', SAMPLINGS)
def test_halved_rows_do_not_depend_on_their_number_or_the_decoder(photo, sampling, monkeypatch):
    data = encode(photo, sampling)
    header = jpeg.read_header(data)
    whole = jpeg.decode(data, header, halved=True)
    assert whole.shape == (62, 118, 3)
    for rows in (1, 7, 40):
        part = jpeg.decode(data, header, rows, halved=True)
        assert len(part) == rows
        np.testing.assert_array_equal(part, whole[:rows])
    monkeypatch.setattr(jpeg, 'simplejpeg', None)
    np.testing.assert_array_equal(jpeg.decode(data, header, 7, halved=True), whole)


@pytest.mark.parametrize('size', [(1, 1), (5, 7), (16, 16), (17, 33)])
def test_small_images(photo, size):
    data = encode(photo[:size[0], :size[1]])
    header = jpeg.read_header(data)
    for rows in range(1, size[0] + 1):
        np.testing.assert_array_equal(jpeg.decode(data, header, rows)[:rows], jpeg.decode_with_opencv(data)[:rows])


def test_damaged_pixels_are_as_damaged_in_a_part(photo):
    data = bytearray(encode(photo))
    header = jpeg.read_header(bytes(data))
    data[header.data_at + 3000:header.data_at + 3004] = b'\x12\x34\x56\x78'
    whole = jpeg.decode_with_opencv(bytes(data))
    assert (whole != jpeg.decode_with_opencv(encode(photo))).any()
    np.testing.assert_array_equal(jpeg.decode(bytes(data), header), whole)
    np.testing.assert_array_equal(jpeg.decode(bytes(data), header, 100), whole[:100])


def test_uncommon_files_are_decoded_by_opencv(photo):
    data = encode(photo)
    assert jpeg.read_header(data).common
    exif = b'\xff\xe1' + (8).to_bytes(2, 'big') + b'Exif\0\0'
    assert not jpeg.read_header(data[:2] + exif + data[2:]).common
    frame = data.index(b'\xff\xc0')
    for at, value in ((1, 0xc3), (1, 0xc9), (4, 12), (9, 4)):  # lossless, arithmetic code, 12 bits, CMYK
        other = bytearray(data)
        other[frame + at] = value
        assert not jpeg.read_header(bytes(other)).common
    empty = bytearray(data)
    empty[frame + 5:frame + 7] = b'\0\0'  # the height comes at the end
    assert not jpeg.read_header(bytes(empty)).common


@pytest.mark.parametrize('progressive', [0, 1])
def test_the_end_marker_is_searched_after_the_header(photo, progressive):
    data = encode(photo, progressive=progressive)
    comment = b'\xff\xfe' + (4).to_bytes(2, 'big') + b'\xff\xd9'
    data = data[:2] + comment + data[2:]
    header = jpeg.read_header(data)
    assert jpeg.is_complete(data, header) and jpeg.is_complete(data + bytes(9), header)
    assert not jpeg.is_complete(data[:-1], header) and not jpeg.is_complete(data[:header.data_at + 9], header)
    for end in range(2, header.data_at - 1, 7):
        assert jpeg.read_header(data[:end]) is None
    assert not jpeg.is_complete(data[:20], None)


def test_the_decoder_is_named(monkeypatch):
    assert jpeg.decoder_name().startswith('simplejpeg ')
    monkeypatch.setattr(jpeg, 'simplejpeg', None)
    assert 'OpenCV' in jpeg.decoder_name() and 'ct-mm[fast]' in jpeg.decoder_name()
