"""An image file that is decoded only as far as it is accessed."""
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
    ``np.asarray(image)`` decodes all of it. The pixels are identical in all cases. Decoded rows are cached, and views
    share the cache. The file is checked for truncation before decoding, because OpenCV decodes the beginning of a
    truncated JPEG and leaves the rest grey, without an error.

    A part costs as much as the whole image for progressive JPEGs, for files that OpenCV must decode (other formats,
    CMYK, images rotated by Exif data), and if simplejpeg is not installed.

    Args:
        path: Path of an image in any format that OpenCV reads. The file is opened on first access.
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
            FileNotFoundError: The file does not exist.
            OSError: The file is empty, truncated or not an image; the message names it.
        """
        return *self._pixels.size, 3

    def mirrored(self) -> ImageFile:
        """Returns a view of the image mirrored left to right."""
        view = copy.copy(self)
        view._mirrored = not self._mirrored
        return view

    def grey(self) -> ImageFile:
        """Returns a view of the image without colours, still with three channels."""
        view = copy.copy(self)
        view._grey = True
        return view

    def expect(self, bottom: int) -> None:
        """Announces that rows up to ``bottom`` will be accessed, so that they are decoded in one pass."""
        self._pixels.expected = max(self._pixels.expected, bottom)

    def __getitem__(self, key: tuple[slice, slice]) -> np.ndarray:
        """Returns ``image[top:bottom, left:right]``, (bottom - top, right - left, 3).

        Raises:
            FileNotFoundError: The file does not exist.
            OSError: The file is empty, truncated or not an image; the message names it.
            TypeError: The key is not two slices without steps.
        """
        if not (isinstance(key, tuple) and len(key) == 2
                and all(isinstance(part, slice) and part.step in (None, 1) for part in key)):
            raise TypeError(f'an ImageFile takes image[top:bottom, left:right], not image[{key}]; use '
                            'np.asarray(image) for the whole image')
        height, width = self._pixels.size
        (top, bottom, _), (left, right, _) = key[0].indices(height), key[1].indices(width)
        if self._mirrored:
            left, right = width - right, width - left
        part = self._pixels.rows(bottom)[top:bottom, left:right]
        return self._finish(cv2.flip(part, 1) if self._mirrored and part.size else part)

    def __array__(self, dtype=None, copy=None) -> np.ndarray:
        return np.array(self[:, :], dtype=dtype, copy=copy)

    def shrunken(self, left: int, top: int, side: int, size: int) -> np.ndarray | None:
        """Resamples a square of the image after decoding the image at half resolution.

        The pixels differ from those of a full decode: each is a mean over an area, whereas interpolation in the full
        image samples points. At a quarter of the resolution they would differ more than twice as much for little more
        speed.

        Args:
            left: Left border in pixels. The square may extend outside the image, where the result is black.
            top: Upper border in pixels.
            side: Side of the square in pixels.
            size: Side of the result in pixels.

        Returns:
            (size, size, 3), or None if ``side`` is less than twice ``size`` or the file is not a common JPEG.
        """
        if side < 2 * size or not self._pixels.is_common_jpeg:
            return None
        height, width = self._pixels.size
        rows = min(max(math.ceil((top + side) / 2) + 1, 1), -(-height // 2))
        step = side / size  # image pixels for each pixel of the result
        x, y = left + step / 2, top + step / 2  # centre of its first pixel
        x, right = (width - x, -step) if self._mirrored else (x, step)
        matrix = np.array([[right, 0, x], [0, step, y]]) / 2
        matrix[:, 2] -= 0.5  # in OpenCV the origin is the centre of a pixel
        half = self._pixels.rows(rows, halved=True)
        return self._finish(cv2.warpAffine(half, matrix, (size, size), flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP))

    def _finish(self, part: np.ndarray) -> np.ndarray:
        if not self._grey or not part.size:
            return part
        return cv2.cvtColor(cv2.cvtColor(part, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)

    def __repr__(self) -> str:
        return f'ImageFile({self.path!r})'


class _Pixels:
    """The content of a file and its decoded rows, shared by all views."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.expected = 0
        self._data: bytes | None = None
        self._header: jpeg.JpegHeader | None = None
        self._decoded: dict[bool, np.ndarray] = {}  # upper rows of the image (False) and of the halved image (True)

    @property
    def size(self) -> tuple[int, int]:
        """(height, width)."""
        if self.is_common_jpeg:
            return self._header.height, self._header.width
        return self.rows(0).shape[:2]

    @property
    def is_common_jpeg(self) -> bool:
        """Whether the file is a JPEG that any libjpeg decodes alike; see ``JpegHeader.common``."""
        self._load()
        return self._header is not None and self._header.common

    def rows(self, stop: int, halved: bool = False) -> np.ndarray:
        """Returns at least the upper ``stop`` rows, RGB uint8 (R, W, 3)."""
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
    """Walks through the chunks (length, name, data, checksum) and returns whether IEND is present."""
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
        FileNotFoundError: The file does not exist.
        OSError: The file is empty, truncated or not an image; the message names it. OpenCV alone would decode the
            beginning of a truncated JPEG and leave the rest grey.
    """
    return np.asarray(ImageFile(path))
