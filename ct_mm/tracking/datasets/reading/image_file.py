"""An image file of which only what is looked at is decoded."""
from __future__ import annotations

import copy
import math
import os

import cv2
import numpy as np

from ct_mm.tracking.datasets.reading import jpeg

_PNG_SIGNATURE = b'\x89PNG\r\n\x1a\n'


class ImageFile:
    """An image file that behaves like an RGB uint8 array (H, W, 3).

    ``image.shape`` reads the file, ``image[top:bottom, left:right]`` decodes it down to row ``bottom``, and
    ``np.asarray(image)`` decodes all of it. The pixels are the same in each case, bit for bit. Rows once decoded are
    kept, and views share them. A file is checked as a whole before anything of it is decoded: OpenCV decodes the
    beginning of a truncated JPEG and leaves the rest grey, without an error.

    A part costs as much as the whole where libjpeg must decode all of a file (progressive JPEGs), where OpenCV has to
    (other formats, CMYK, images turned by Exif data), and where simplejpeg is not installed.

    Args:
        path: Path of an image in any format that OpenCV reads. It is opened when it is first needed.
    """

    dtype = np.dtype(np.uint8)
    ndim = 3

    def __init__(self, path: str | os.PathLike) -> None:
        self.path = os.fspath(path)
        self._pixels = _Pixels(self.path)
        self._mirrored = self._grey = False

    @property
    def shape(self) -> tuple[int, int, int]:
        """(H, W, 3).

        Raises:
            FileNotFoundError: There is no such file.
            OSError: The file is empty, truncated or not an image; the message names it.
        """
        return *self._pixels.size, 3

    def mirrored(self) -> ImageFile:
        """The image mirrored left to right."""
        view = copy.copy(self)
        view._mirrored = not self._mirrored
        return view

    def grey(self) -> ImageFile:
        """The image without its colours, still with three channels."""
        view = copy.copy(self)
        view._grey = True
        return view

    def expect(self, bottom: int) -> None:
        """Tells that rows up to ``bottom`` will be looked at, so that they are decoded in one go."""
        self._pixels.expected = max(self._pixels.expected, bottom)

    def __getitem__(self, key: tuple[slice, slice]) -> np.ndarray:
        """``image[top:bottom, left:right]``, (bottom - top, right - left, 3).

        Raises:
            FileNotFoundError: There is no such file.
            OSError: The file is empty, truncated or not an image; the message names it.
            TypeError: The key is anything but two slices without steps.
        """
        if not (isinstance(key, tuple) and len(key) == 2
                and all(isinstance(part, slice) and part.step in (None, 1) for part in key)):
            raise TypeError(f'an ImageFile takes image[top:bottom, left:right], not image[{key}]; np.asarray(image) '
                            'gives all of it')
        height, width = self._pixels.size
        (top, bottom, _), (left, right, _) = key[0].indices(height), key[1].indices(width)
        if self._mirrored:
            left, right = width - right, width - left
        part = self._pixels.rows(bottom)[top:bottom, left:right]
        return self._finish(cv2.flip(part, 1) if self._mirrored and part.size else part)

    def __array__(self, dtype=None, copy=None) -> np.ndarray:
        return np.array(self[:, :], dtype=dtype, copy=copy)

    def shrunken(self, left: int, top: int, side: int, size: int) -> np.ndarray | None:
        """Resamples a square of the image from a decode at half its scale.

        The pixels are not those of a full decode: each is a mean over the image, where interpolation in the full image
        takes points of it. At a quarter of the scale they would differ more than twice as much for little more speed.

        Args:
            left: Left border in pixels; like the others it may lie outside of the image, where the result is black.
            top: Upper border in pixels.
            side: Side of the square in pixels.
            size: Side of the result.

        Returns:
            (size, size, 3), or None if the square is less than twice the result or the file is no common JPEG.
        """
        if side < 2 * size or not self._pixels.is_common_jpeg:
            return None
        height, width = self._pixels.size
        rows = min(max(math.ceil((top + side) / 2) + 1, 1), -(-height // 2))
        step = side / size  # image pixels for each pixel of the result
        x, y = left + step / 2, top + step / 2  # middle of its first pixel
        x, right = (width - x, -step) if self._mirrored else (x, step)
        matrix = np.array([[right, 0, x], [0, step, y]]) / 2
        matrix[:, 2] -= 0.5  # OpenCV counts from the middle of a pixel
        half = self._pixels.rows(rows, halved=True)
        return self._finish(cv2.warpAffine(half, matrix, (size, size), flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP))

    def _finish(self, part: np.ndarray) -> np.ndarray:
        if not self._grey or not part.size:
            return part
        return cv2.cvtColor(cv2.cvtColor(part, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)

    def __repr__(self) -> str:
        return f'ImageFile({self.path!r})'


class _Pixels:
    """The content of a file and what is decoded of it, shared by all views."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.expected = 0
        self._data: bytes | None = None
        self._header: jpeg.JpegHeader | None = None
        self._decoded: dict[bool, np.ndarray] = {}  # the upper rows of the image, and of the halved one

    @property
    def size(self) -> tuple[int, int]:
        """(height, width)."""
        if self.is_common_jpeg:
            return self._header.height, self._header.width
        return self.rows(0).shape[:2]

    @property
    def is_common_jpeg(self) -> bool:
        """Whether the file is a JPEG without peculiarities."""
        self._load()
        return self._header is not None and self._header.common

    def rows(self, stop: int, halved: bool = False) -> np.ndarray:
        """The upper ``stop`` rows or more, RGB uint8 (R, W, 3)."""
        decoded = self._decoded.get(halved)
        if decoded is None or len(decoded) < stop:
            if self.is_common_jpeg:
                expected = -(-self.expected // 2) if halved else self.expected
                decoded = jpeg.decode(self._data, self._header, max(stop, expected, 1), halved)
            else:
                decoded = jpeg.decode_with_opencv(self._data, name=self.path)
            if decoded is None:
                raise OSError(f'image file {self.path} ({len(self._data)} bytes) cannot be decoded: it is damaged or '
                              'not an image')
            self._decoded[halved] = decoded
        return decoded

    def _load(self) -> None:
        if self._data is not None:
            return
        try:
            with open(self.path, 'rb') as file:
                data = file.read()
        except FileNotFoundError:
            raise FileNotFoundError(f'image file {self.path} does not exist') from None
        if not data:
            raise OSError(f'image file {self.path} is empty')
        is_jpeg = data.startswith(jpeg.SIGNATURE)
        header = jpeg.read_header(data) if is_jpeg else None
        if (is_jpeg and not jpeg.is_complete(data, header)) or (data.startswith(_PNG_SIGNATURE)
                                                                and not _png_is_complete(data)):
            raise OSError(f'image file {self.path} is truncated after {len(data)} bytes; copy or download it again')
        self._data, self._header = data, header


def _png_is_complete(data: bytes) -> bool:
    """Walks the chunks (length, name, data, checksum) to IEND."""
    position = len(_PNG_SIGNATURE)
    while position + 12 <= len(data):
        length = int.from_bytes(data[position:position + 4], 'big')
        name, position = data[position + 4:position + 8], position + 12 + length
        if name == b'IEND':
            return position <= len(data)
    return False


def read_image(path: str | os.PathLike) -> np.ndarray:
    """Reads an image file as RGB.

    Args:
        path: Path of an image in any format that OpenCV reads.

    Returns:
        RGB uint8, (H, W, 3); a grey image has three equal channels.

    Raises:
        FileNotFoundError: There is no such file.
        OSError: The file is empty, truncated or not an image; the message names it. OpenCV alone would decode the
            beginning of a truncated JPEG and leave the rest grey.
    """
    return np.asarray(ImageFile(path))
