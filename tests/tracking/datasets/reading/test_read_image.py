import argparse
import os

import cv2
import numpy as np
import pytest

from ct_mm import cli
from ct_mm.tracking.datasets.reading import jpeg
from ct_mm.tracking.datasets.reading.image_file import read_image


@pytest.fixture
def photo():
    """A smooth RGB picture with enough detail that half of its file is really half of its rows."""
    rows, columns = np.mgrid[:96, :128]
    channels = [128 + 100 * np.sin(rows / 5 + phase) * np.cos(columns / (4 + phase)) for phase in range(3)]
    return np.stack(channels, axis=-1).astype(np.uint8)


def write(path, image, *options):
    assert cv2.imwrite(str(path), image[..., ::-1], list(options))
    return path


def test_png_is_read_exactly_as_rgb(tmp_path, photo):
    np.testing.assert_array_equal(read_image(write(tmp_path / 'a.png', photo)), photo)


@pytest.mark.parametrize('progressive', [0, 1])
def test_whole_jpegs_are_read(tmp_path, photo, progressive):
    path = write(tmp_path / 'a.jpg', photo, cv2.IMWRITE_JPEG_PROGRESSIVE, progressive)
    image = read_image(str(path))
    assert image.dtype == np.uint8 and np.abs(image.astype(int) - photo).mean() < 6
    path.write_bytes(path.read_bytes() + bytes(100))  # padding after the end marker is harmless
    np.testing.assert_array_equal(read_image(path), image)


def test_grey_images_get_three_channels(tmp_path, photo):
    path = tmp_path / 'grey.png'
    cv2.imwrite(str(path), photo[..., 0])
    assert read_image(path).shape == (96, 128, 3)


@pytest.mark.parametrize('name', ['a.jpg', 'progressive.jpg', 'a.png'])
@pytest.mark.parametrize('part', [0.3, 0.6, 0.99])
def test_truncated_files_are_rejected(tmp_path, photo, name, part):
    options = (cv2.IMWRITE_JPEG_PROGRESSIVE, 1) if 'progressive' in name else ()
    path = write(tmp_path / name, photo, *options)
    data = path.read_bytes()
    path.write_bytes(data[:int(len(data) * part)])
    with pytest.raises(OSError, match=rf'{name} is truncated'):
        read_image(path)


def test_the_end_marker_of_a_thumbnail_does_not_count(tmp_path, photo):
    thumbnail = cv2.imencode('.jpg', photo[:8, :8])[1].tobytes()
    path = write(tmp_path / 'a.jpg', photo)
    data = path.read_bytes()
    segment = b'\xff\xe1' + (len(thumbnail) + 2).to_bytes(2, 'big') + thumbnail
    path.write_bytes(data[:2] + segment + data[2:])
    assert read_image(path).shape == (96, 128, 3)
    path.write_bytes(data[:2] + segment + data[2:len(data) // 2])
    with pytest.raises(OSError, match='truncated'):
        read_image(path)


def test_real_photographs_are_whole(shared):
    for path in sorted((shared / 'data' / 'images').glob('*.jpg'))[:10]:
        assert read_image(path).shape[2] == 3


def test_missing_empty_and_other_files_are_named(tmp_path):
    with pytest.raises(FileNotFoundError, match='none.jpg'):
        read_image(tmp_path / 'none.jpg')
    (tmp_path / 'empty.jpg').touch()
    with pytest.raises(OSError, match='empty.jpg is empty'):
        read_image(tmp_path / 'empty.jpg')
    (tmp_path / 'text.jpg').write_text('<html>404</html>')
    with pytest.raises(OSError, match='text.jpg .*cannot be decoded'):
        read_image(tmp_path / 'text.jpg')


@pytest.mark.parametrize('suffix', ['.png', '.tiff'])
def test_full_range_16_bits_are_8_bits_bit_for_bit_without_a_word(tmp_path, photo, suffix, monkeypatch, recwarn):
    monkeypatch.setattr(jpeg, '_warned', [])
    for name, image in (('full', photo), ('dark', photo // 16)):
        path = write(tmp_path / f'{name}{suffix}', image.astype(np.uint16) * 257)
        np.testing.assert_array_equal(read_image(path), image)
    assert not recwarn.list


def test_few_levels_of_many_counts_are_told_once_and_can_be_stretched(tmp_path, monkeypatch):
    monkeypatch.setattr(jpeg, '_warned', [])
    counts = np.linspace(7300, 8065, 96 * 128).reshape(96, 128).astype(np.uint16)
    for name in 'ab':
        cv2.imwrite(str(tmp_path / f'{name}.png'), counts)
    with pytest.warns(UserWarning, match=r'a\.png has 16 bits with counts from 7300 to 8065: only 4 grey levels.*'
                                         r'CT_MM_16BIT_RANGE') as told:
        images = [read_image(tmp_path / f'{name}.png') for name in 'aba']
    assert len(told) == 1 and len(np.unique(images[0])) == 4
    monkeypatch.setenv('CT_MM_16BIT_RANGE', '7300:8065')
    stretched = read_image(tmp_path / 'a.png')
    np.testing.assert_array_equal(stretched[..., 0], ((counts - 7300.) * 255 / 765).round().astype(np.uint8))
    assert len(np.unique(stretched)) == 256


@pytest.mark.parametrize('text', ['', '7300', '7300-8065', '8065:7300', '5:5', '-1:9', '0:65536', '1.5:9', 'a:b', ':'])
def test_a_wrong_range_is_an_error_of_the_command(text, monkeypatch, capsys):
    monkeypatch.delenv('CT_MM_16BIT_RANGE', raising=False)
    parser = argparse.ArgumentParser()
    cli.add_grey_range(parser)
    with pytest.raises(SystemExit):
        parser.parse_args([f'--grey-range={text}'])
    assert 'must be LOW:HIGH, two counts from 0 to 65535' in capsys.readouterr().err
    assert 'CT_MM_16BIT_RANGE' not in os.environ


def test_a_wrong_variable_is_named_and_the_option_replaces_it(tmp_path, monkeypatch):
    cv2.imwrite(str(tmp_path / 'a.png'), np.full((8, 8), 200, np.uint16))
    monkeypatch.setenv('CT_MM_16BIT_RANGE', '8065:7300')
    with pytest.raises(ValueError, match="CT_MM_16BIT_RANGE or --grey-range is '8065:7300'"):
        read_image(tmp_path / 'a.png')
    parser = argparse.ArgumentParser()
    cli.add_grey_range(parser)
    parser.parse_args(['--grey-range', '100:300'])
    assert (read_image(tmp_path / 'a.png') == 128).all()
