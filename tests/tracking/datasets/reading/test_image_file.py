"""Parts of image files against the whole."""
import pickle

import cv2
import numpy as np
import pytest

from ct_mm.package_files import package_file
from ct_mm.tracking.datasets.reading import ImageFile, jpeg
from ct_mm.tracking.transforms import crop_image


@pytest.fixture(scope='module')
def photo():
    """Most of a frame of the shipped clip, BGR."""
    capture = cv2.VideoCapture(str(package_file('demo/clips/bunny/bunny.mp4')))
    frame = capture.read()[1]
    capture.release()
    return frame[60:321, 100:573]


@pytest.fixture(params=['simplejpeg', 'opencv'])
def decoder(request, monkeypatch):
    if request.param == 'opencv':
        monkeypatch.setattr(jpeg, 'simplejpeg', None)
    return request.param


@pytest.fixture(params=['a.jpg', 'progressive.jpg', 'a.png', 'turned.jpg'])
def path(tmp_path, photo, request):
    path = tmp_path / request.param
    cv2.imwrite(str(path), photo, [cv2.IMWRITE_JPEG_PROGRESSIVE, int(request.param == 'progressive.jpg')])
    if request.param == 'turned.jpg':  # an Exif segment with orientation 6, a quarter turn
        tiff = b'II*\0' + (8).to_bytes(4, 'little') + b'\1\0' + b'\x12\1\3\0\1\0\0\0\6\0\0\0' + bytes(4)
        data = path.read_bytes()
        path.write_bytes(data[:2] + b'\xff\xe1' + (len(tiff) + 8).to_bytes(2, 'big') + b'Exif\0\0' + tiff + data[2:])
    return path


def test_parts_are_those_of_the_whole_in_any_order(path, decoder, photo):
    whole = cv2.imread(str(path))[..., ::-1]
    assert whole.shape == (photo.shape if path.name != 'turned.jpg' else (473, 261, 3))
    image = ImageFile(path)
    assert image.shape == whole.shape
    for top, bottom, left, right in ((20, 60, 30, 100), (0, 20, 0, 5), (90, 261, 250, 261), (10, 10, 3, 9)):
        np.testing.assert_array_equal(image[top:bottom, left:right], whole[top:bottom, left:right])
    np.testing.assert_array_equal(np.asarray(image), whole)
    np.testing.assert_array_equal(np.asarray(ImageFile(path)), whole)
    assert np.asarray(image).dtype == image.dtype and np.asarray(image).ndim == image.ndim


def test_views_are_mirrored_and_grey_as_the_whole_would_be(path):
    whole = cv2.imread(str(path))[..., ::-1]
    image = ImageFile(path)
    part = np.s_[20:90, 30:100]
    np.testing.assert_array_equal(image.mirrored()[part], whole[:, ::-1][part])
    np.testing.assert_array_equal(image.mirrored().mirrored()[part], whole[part])
    grey = cv2.cvtColor(cv2.cvtColor(np.ascontiguousarray(whole), cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)
    np.testing.assert_array_equal(image.grey()[part], grey[part])
    np.testing.assert_array_equal(np.asarray(image.grey().mirrored()), grey[:, ::-1])
    np.testing.assert_array_equal(image[part], whole[part])  # a view changes nothing


@pytest.mark.parametrize('box', [(100, 60, 40, 50), (-10, 200, 90, 60), (430, 2, 40, 30), (0, 0, 300, 260),
                                 (900, 60, 40, 50)])
def test_crops_are_those_of_the_whole(path, decoder, box):
    whole = np.ascontiguousarray(cv2.imread(str(path))[..., ::-1])
    for factor, size in ((1, 30), (2, 128), (4, 64)):
        expected, resize_factor = crop_image(whole, box, factor, size)
        crop, same = crop_image(ImageFile(path), box, factor, size)
        np.testing.assert_array_equal(crop, expected)
        assert same == resize_factor


def test_announced_rows_are_decoded_in_one_pass(tmp_path, photo, monkeypatch):
    calls = []
    original = jpeg.decode
    monkeypatch.setattr(jpeg, 'decode', lambda *args: calls.append(args) or original(*args))
    cv2.imwrite(str(tmp_path / 'a.jpg'), photo)
    image = ImageFile(tmp_path / 'a.jpg')
    mirrored = image.mirrored()
    image.expect(40)
    mirrored.expect(120)
    image[:30, :30], mirrored[50:120, :30], image.grey()[:120, :]
    assert len(calls) == 1 and len(original(*calls[0])) == 120
    image[:121, :30]
    assert len(calls) == 2


@pytest.mark.parametrize('box', [(100, 60, 60, 60), (-10, 130, 90, 60), (400, 2, 70, 60), (0, 0, 470, 260)])
@pytest.mark.parametrize('mirror', [False, True])
def test_halved_crops_differ_by_less_than_three_grey_levels_and_are_not_shifted(tmp_path, decoder, photo, box, mirror):
    cv2.imwrite(str(tmp_path / 'a.jpg'), photo)
    image = ImageFile(tmp_path / 'a.jpg')
    image = image.mirrored() if mirror else image
    full, factor = crop_image(image, box, 4.0, 100)
    crop, same = crop_image(image, box, 4.0, 100, reduced=True)
    assert factor == same and (crop != full).any()

    def distance(one, other):
        return np.abs(one.astype(int) - other).mean()

    assert distance(crop, full) < 3
    for shift in ((0, 1), (0, -1), (1, 0), (-1, 0)):
        assert distance(crop, full) < distance(np.roll(crop, shift, (0, 1)), full)
    grey, _ = crop_image(image.grey(), box, 4.0, 100, reduced=True)
    assert (grey == grey[..., :1]).all()


def test_small_crops_and_other_formats_are_never_reduced(tmp_path, photo):
    for name, box in (('a.jpg', (100, 60, 30, 30)), ('a.png', (100, 60, 60, 60))):
        cv2.imwrite(str(tmp_path / name), photo)
        image = ImageFile(tmp_path / name)
        np.testing.assert_array_equal(crop_image(image, box, 4.0, 61, reduced=True)[0],
                                      crop_image(image, box, 4.0, 61)[0])


def test_a_file_is_checked_before_a_part_is_decoded(tmp_path, photo, decoder):
    path = tmp_path / 'a.jpg'
    cv2.imwrite(str(path), photo)
    data = path.read_bytes()
    path.write_bytes(data[:-500])
    for look in (lambda image: image.shape, lambda image: image[:9, :9], np.asarray,
                 lambda image: image.shrunken(0, 0, 200, 50)):
        with pytest.raises(OSError, match=r'a\.jpg is truncated'):
            look(ImageFile(path))
    path.unlink()
    image = ImageFile(path)  # nothing is read before the first access
    with pytest.raises(FileNotFoundError, match=r'a\.jpg does not exist'):
        image.shape
    path.write_bytes(data[:2] + data[-2:])
    with pytest.raises(OSError, match=r'a\.jpg'):
        ImageFile(path)[:9, :9]


def test_other_indices_are_rejected(tmp_path, photo):
    cv2.imwrite(str(tmp_path / 'a.jpg'), photo)
    image = ImageFile(tmp_path / 'a.jpg')
    for key in (0, np.s_[::2, :], np.s_[..., 0], np.s_[:9]):
        with pytest.raises(TypeError, match=r'image\[top:bottom, left:right\]'):
            image[key]


def test_it_can_be_pickled(tmp_path, photo):
    cv2.imwrite(str(tmp_path / 'a.jpg'), photo)
    image = ImageFile(tmp_path / 'a.jpg').mirrored()
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(image))[:9, :9], image[:9, :9])
