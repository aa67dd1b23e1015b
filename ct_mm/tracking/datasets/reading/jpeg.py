"""JPEG data: what the header says, whether the end is there, and the pixels of the upper part.

libjpeg-turbo decodes from the top, and most of its time goes into the Huffman code, which can only be read in order. So
what lies below the wanted rows is never read; what lies above is decoded and dropped.

References:
    ITU-T T.81, annex B (markers). simplejpeg, https://github.com/jfolz/simplejpeg: libjpeg-turbo in a wheel, whose
    pixels are those of OpenCV bit for bit, and which says nothing about data that it was not asked to decode.
"""
from __future__ import annotations

import os
import re
import struct
import warnings
from typing import NamedTuple

import cv2
import numpy as np

try:
    import simplejpeg
except ImportError:
    simplejpeg = None

#: What JPEG data begin with.
SIGNATURE = b'\xff\xd8'

# In the entropy-coded data 0xFF before 0x00 is a data byte and before 0xD0-0xD7 a restart.
_MARKER = re.compile(rb'\xff([\x01-\xcf\xd8-\xfe])')
_FRAMES = {*range(0xc0, 0xd0)} - {0xc4, 0xc8, 0xcc}  # markers of a frame header: all C0-CF but DHT, JPG and DAC
_warned: list[str] = []  # the file that few grey levels were left of
# Chroma of half height is interpolated with the next row of it, two rows of the image further down.
_MARGIN = 2


class JpegHeader(NamedTuple):
    """What stands before the pixels of a JPEG.

    Attributes:
        height: Rows of the image.
        width: Columns of the image.
        height_at: Where the two bytes of the height are.
        data_at: Where the first scan begins.
        one_scan: Whether the pixels come once, from top to bottom (not progressive, not one channel after the other).
        common: Whether any libjpeg gives the same pixels without further ado: baseline or progressive with 8 bits, grey
            or three channels, and no Exif data, by whose orientation OpenCV turns an image.
    """
    height: int
    width: int
    height_at: int
    data_at: int
    one_scan: bool
    common: bool


def read_header(data: bytes) -> JpegHeader | None:
    """Walks the segments up to the first scan, past embedded thumbnails.

    Returns:
        The header, or None if the data end before a scan begins.
    """
    position, frame, has_exif = len(SIGNATURE), None, False
    while (marker := _MARKER.search(data, position)) is not None:
        code, start = marker.group(1)[0], marker.end()
        if code in (0x01, 0xd8):  # TEM and SOI carry no length
            position = start
            continue
        position = start + int.from_bytes(data[start:start + 2], 'big')  # a length counts itself
        if code == 0xd9 or position > len(data) or position < start + 2:
            return None
        if code in _FRAMES and position >= start + 8:
            # length (2), precision (1), height (2), width (2), number of channels (1)
            frame = code, start + 3, *struct.unpack_from('>BHHB', data, start + 2)
        elif code == 0xe1:
            has_exif |= data[start + 2:start + 6] == b'Exif'
        elif code == 0xda:
            if frame is None:
                return None
            kind, height_at, precision, height, width, channels = frame
            common = (kind in (0xc0, 0xc1, 0xc2) and precision == 8 and channels in (1, 3) and not has_exif
                      and 0 < height * width < 2**30)  # the largest image that OpenCV takes
            return JpegHeader(height, width, height_at, position, kind != 0xc2 and data[start + 2] == channels, common)
    return None


def is_complete(data: bytes, header: JpegHeader | None) -> bool:
    """Whether the end marker of the image is there; bytes after it are allowed.

    OpenCV and libjpeg decode the beginning of a truncated JPEG and leave the rest grey, without an error.
    """
    if header is None:
        return False
    if header.one_scan:  # no other segment follows, whose bytes might look like the marker
        return data.rfind(b'\xff\xd9', header.data_at) >= 0
    position = header.data_at
    while (marker := _MARKER.search(data, position)) is not None:
        code, position = marker.group(1)[0], marker.end()
        if code == 0xd9:
            return True
        if code not in (0x01, 0xd8):
            position += int.from_bytes(data[position:position + 2], 'big')
    return False


def decode(data: bytes, header: JpegHeader, rows: int | None = None, halved: bool = False) -> np.ndarray | None:
    """Decodes a JPEG, or its upper rows.

    Args:
        data: The content of the file.
        header: What :func:`read_header` returned; it must be ``common``.
        rows: How many rows of the result are wanted. Default: all.
        halved: Whether the image is decoded at half its scale. Defaults to False.

    Returns:
        RGB uint8 (H, W, 3), halved (ceil(H / 2), ceil(W / 2), 3); or the upper ``rows`` rows of that where it is less
        work. They are the same, bit for bit. None if the data cannot be decoded.
    """
    if simplejpeg is None:
        return decode_with_opencv(data, cv2.IMREAD_REDUCED_COLOR_2 if halved else cv2.IMREAD_COLOR)
    height, width, scale = header.height, header.width, 2 if halved else 1
    if rows is not None and header.one_scan:
        height = min(height, (rows + _MARGIN) * scale)
    if height == header.height:
        rows = None
    else:  # a decoder that is told of fewer rows stops there
        data = bytearray(data)
        data[header.height_at:header.height_at + 2] = height.to_bytes(2, 'big')
    try:
        # Not strict, as OpenCV: bytes between the last row and the end marker are a warning.
        return simplejpeg.decode_jpeg(
            data, min_height=-(-height // scale), min_width=-(-width // scale), strict=False)[:rows]
    except ValueError:
        return None


def decode_with_opencv(data: bytes, flag: int = cv2.IMREAD_COLOR, name: str = 'an image') -> np.ndarray | None:
    """Decodes any image that OpenCV reads.

    Of 16 bits the upper 8 are taken, unless the environment variable ``CT_MM_16BIT_RANGE=LOW:HIGH`` says which counts
    become black and white.

    Args:
        data: The content of the file.
        flag: OpenCV's ``IMREAD_COLOR`` or ``IMREAD_REDUCED_COLOR_2``.
        name: The file, for a warning.

    Returns:
        RGB uint8 (H, W, 3), or None if the data cannot be decoded.
    """
    try:
        image = cv2.imdecode(np.frombuffer(data, np.uint8), flag | cv2.IMREAD_ANYDEPTH)  # (H, W, 3), BGR
        if image is not None and image.dtype != np.uint8:
            image = _to_8_bits(image, cv2.imdecode(np.frombuffer(data, np.uint8), flag), name)
    except cv2.error:  # such as a size that cannot be
        return None
    return None if image is None else cv2.cvtColor(image, cv2.COLOR_BGR2RGB)


def _to_8_bits(image: np.ndarray, upper: np.ndarray, name: str) -> np.ndarray:
    """Stretches counts of 16 bits, or takes their upper 8; warns, once in a process, if these have few grey levels."""
    if image.dtype != np.uint16:
        return upper
    limits = os.environ.get('CT_MM_16BIT_RANGE')
    if limits:
        black, white = (int(limit) for limit in limits.split(':'))
        return np.clip((image - np.float32(black)) * (255 / (white - black)), 0, 255).round().astype(np.uint8)
    levels = int(upper.max()) - int(upper.min()) + 1
    if not _warned and levels <= 64 and (image != upper.astype(np.uint16) * 257).any():
        _warned.append(name)
        warnings.warn(f'{name} has 16 bits with counts from {image.min()} to {image.max()}: only {levels} grey levels '
                      f'are left in 8 bits. Set the environment variable CT_MM_16BIT_RANGE=LOW:HIGH to stretch a range '
                      f'of counts, such as {image.min()}:{image.max()}, to all 256', stacklevel=2)
    return upper


def decoder_name() -> str:
    """What decodes the JPEGs of this process, one clause for the log."""
    if simplejpeg is None:
        return ("OpenCV decodes each JPEG as a whole; simplejpeg (pip install 'ct-mm[fast]') decodes no more rows than "
                'needed')
    return f'simplejpeg {simplejpeg.__version__} decodes no more rows of a JPEG than needed'
