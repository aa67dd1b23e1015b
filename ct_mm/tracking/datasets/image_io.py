"""Reading image files without silent damage."""
from __future__ import annotations

import re
from pathlib import Path

import cv2
import numpy as np

_PNG_SIGNATURE = b'\x89PNG\r\n\x1a\n'
# In the entropy-coded data of a JPEG, 0xFF before 0x00 is a data byte and before 0xD0-0xD7 a restart.
_JPEG_MARKER = re.compile(rb'\xff([\x01-\xcf\xd8-\xfe])')


def read_image(path: str | Path) -> np.ndarray:
    """Reads an image file as RGB.

    OpenCV decodes the beginning of a truncated JPEG and leaves the rest grey, without an error; so the end marker of
    JPEG and PNG files is looked for first. Bytes after the end marker are allowed.

    Args:
        path: Path of an image in any format that OpenCV reads.

    Returns:
        RGB uint8, (H, W, 3); a grey image has three equal channels.

    Raises:
        FileNotFoundError: There is no such file.
        OSError: The file is empty, truncated or not an image; the message names it.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f'image file {path} does not exist')
    data = path.read_bytes()
    if not data:
        raise OSError(f'image file {path} is empty')
    if (data.startswith(b'\xff\xd8') and not _jpeg_is_complete(data)) or (data.startswith(_PNG_SIGNATURE)
                                                                          and not _png_is_complete(data)):
        raise OSError(f'image file {path} is truncated after {len(data)} bytes; copy or download it again')
    image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)  # (H, W, 3), BGR
    if image is None:
        raise OSError(f'image file {path} ({len(data)} bytes) cannot be decoded: it is damaged or not an image')
    return cv2.cvtColor(image, cv2.COLOR_BGR2RGB)


def _jpeg_is_complete(data: bytes) -> bool:
    """Walks the segments to the end marker of the image itself, past those of embedded thumbnails."""
    position = 2  # after the start marker
    while True:
        marker = _JPEG_MARKER.search(data, position)
        if marker is None:
            return False
        code, position = marker.group(1)[0], marker.end()
        if code == 0xd9:
            return True
        if code not in (0x01, 0xd8):  # all others but TEM and SOI carry a length that counts itself
            if position + 2 > len(data):
                return False
            position += int.from_bytes(data[position:position + 2], 'big')


def _png_is_complete(data: bytes) -> bool:
    """Walks the chunks (length, name, data, checksum) to IEND."""
    position = len(_PNG_SIGNATURE)
    while position + 12 <= len(data):
        length = int.from_bytes(data[position:position + 4], 'big')
        name, position = data[position + 4:position + 8], position + 12 + length
        if name == b'IEND':
            return position <= len(data)
    return False
