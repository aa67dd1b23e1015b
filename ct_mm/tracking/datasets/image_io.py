"""Reading image files without silent damage."""
from __future__ import annotations

import os

import numpy as np

from ct_mm.tracking.structures import ImageFile


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
