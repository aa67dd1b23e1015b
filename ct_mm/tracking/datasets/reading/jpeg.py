"""Reads JPEG headers, detects truncated files, and decodes the upper rows of an image.

libjpeg-turbo decodes from top to bottom and spends most of its time on the Huffman code, which can only be read in
order. So rows below the requested part are never read, and rows above it are decoded and dropped.

References:
    ITU-T T.81, annex B (markers). simplejpeg, https://github.com/jfolz/simplejpeg, is libjpeg-turbo in a wheel: its
    pixels are identical to OpenCV's, and it does not complain about data that it was not asked to decode.
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

#: The first bytes of JPEG data.
SIGNATURE = b'\xff\xd8'

# In entropy-coded data, 0xFF is a data byte if 0x00 follows, and a restart marker if 0xD0-0xD7 follows.
_MARKER = re.compile(rb'\xff([\x01-\xcf\xd8-\xfe])')
_FRAMES = {*range(0xc0, 0xd0)} - {0xc4, 0xc8, 0xcc}  # markers of a frame header: all of C0-CF except DHT, JPG and DAC
#: The environment variable that holds the counts of 16 bits to stretch; worker processes inherit it.
RANGE_VARIABLE = 'CT_MM_16BIT_RANGE'
_warned: list[str] = []  # the file whose 16 bits left few grey levels
# Chroma of half height is interpolated with its next row, which lies two image rows further down.
_MARGIN = 2


class JpegHeader(NamedTuple):
    """The part of a JPEG before the pixels.

    Attributes:
        height: Number of rows.
        width: Number of columns.
        height_at: Offset of the two bytes that store the height.
        data_at: Offset of the first scan.
        one_scan: Whether one scan holds all pixels from top to bottom (not progressive, no separate channels).
        common: Whether any libjpeg decodes the same pixels: baseline or progressive with 8 bits, one or three channels,
            and no Exif data, because OpenCV rotates an image by its Exif orientation.
    """
    height: int
    width: int
    height_at: int
    data_at: int
    one_scan: bool
    common: bool


def read_header(data: bytes) -> JpegHeader | None:
    """Walks through the segments up to the first scan, skipping embedded thumbnails.

    Returns:
        The header, or None if the data ends before a scan begins.
    """
    position, frame, has_exif = len(SIGNATURE), None, False
    while (marker := _MARKER.search(data, position)) is not None:
        code, start = marker.group(1)[0], marker.end()
        if code in (0x01, 0xd8):  # TEM and SOI have no length field
            position = start
            continue
        position = start + int.from_bytes(data[start:start + 2], 'big')  # the length includes its own two bytes
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
                      and 0 < height * width < 2**30)  # OpenCV's limit
            return JpegHeader(height, width, height_at, position, kind != 0xc2 and data[start + 2] == channels, common)
    return None


def is_complete(data: bytes, header: JpegHeader | None) -> bool:
    """Returns whether the image's end marker is present; bytes after it are allowed.

    OpenCV and libjpeg decode the beginning of a truncated JPEG and leave the rest grey, without an error.
    """
    if header is None:
        return False
    if header.one_scan:  # no other segment follows, so no segment data can look like the marker
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
    """Decodes a JPEG or its upper rows.

    Args:
        data: The content of the file.
        header: The result of :func:`read_header`; it must be ``common``.
        rows: Number of rows needed. Default: all.
        halved: Whether to decode the image at half resolution. Defaults to False.

    Returns:
        RGB uint8 (H, W, 3), or (ceil(H / 2), ceil(W / 2), 3) if ``halved``. Only the upper ``rows`` rows are returned
        if that saves work; they are identical to those of the full image. None if the data cannot be decoded.
    """
    if simplejpeg is None:
        return decode_with_opencv(data, cv2.IMREAD_REDUCED_COLOR_2 if halved else cv2.IMREAD_COLOR)
    height, width, scale = header.height, header.width, 2 if halved else 1
    if rows is not None and header.one_scan:
        height = min(height, (rows + _MARGIN) * scale)
    if height == header.height:
        rows = None
    else:  # write a smaller height into the header, at which the decoder stops
        data = bytearray(data)
        data[header.height_at:header.height_at + 2] = height.to_bytes(2, 'big')
    try:
        # Like OpenCV, not strict: bytes between the last row and the end marker only cause a warning.
        return simplejpeg.decode_jpeg(
            data, min_height=-(-height // scale), min_width=-(-width // scale), strict=False)[:rows]
    except ValueError:
        return None


def decode_with_opencv(data: bytes, flag: int = cv2.IMREAD_COLOR, name: str = 'an image') -> np.ndarray | None:
    """Decodes any image that OpenCV reads.

    Of 16 bits the upper 8 are taken, unless the option ``--grey-range LOW:HIGH`` of a command, or the environment
    variable ``CT_MM_16BIT_RANGE``, says which counts become black and white.

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
    except cv2.error:  # for example, an impossible image size
        return None
    return None if image is None else cv2.cvtColor(image, cv2.COLOR_BGR2RGB)


def parse_range(text: str) -> tuple[int, int]:
    """Reads which counts of 16 bits become black and white.

    Raises:
        ValueError: The text is not two counts from 0 to 65535, the lower one first.

    Examples:
        >>> parse_range('7300:8065')
        (7300, 8065)
    """
    low, colon, high = text.partition(':')
    if not (colon and low.isdecimal() and high.isdecimal() and int(low) < int(high) < 1 << 16):
        raise ValueError(f'{RANGE_VARIABLE} or --grey-range is {text!r}, but must be LOW:HIGH, two counts from 0 to '
                         f'65535 with LOW below HIGH, such as 7300:8065')
    return int(low), int(high)


def _to_8_bits(image: np.ndarray, upper: np.ndarray, name: str) -> np.ndarray:
    """Stretches counts of 16 bits, or takes their upper 8; warns, once in a process, if these have few grey levels."""
    if image.dtype != np.uint16:
        return upper
    limits = os.environ.get(RANGE_VARIABLE)
    if limits:
        black, white = parse_range(limits)
        return np.clip((image - np.float32(black)) * (255 / (white - black)), 0, 255).round().astype(np.uint8)
    levels = int(upper.max()) - int(upper.min()) + 1
    if not _warned and levels <= 64 and (image != upper.astype(np.uint16) * 257).any():
        _warned.append(name)
        warnings.warn(f'{name} has 16 bits with counts from {image.min()} to {image.max()}: only {levels} grey levels '
                      f'are left in 8 bits. Set --grey-range LOW:HIGH, or the environment variable CT_MM_16BIT_RANGE, '
                      f'to stretch a range of counts, such as {image.min()}:{image.max()}, to all 256',
                      stacklevel=2)
    return upper


def decoder_name() -> str:
    """Returns a sentence for the log about the decoder that this process uses for JPEGs."""
    if simplejpeg is None:
        return "OpenCV decodes whole JPEGs; simplejpeg (pip install 'ct-mm[fast]') decodes only the needed rows"
    return f'simplejpeg {simplejpeg.__version__} decodes only the needed rows of a JPEG'
