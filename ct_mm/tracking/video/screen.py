"""Windows on a screen."""
from __future__ import annotations

import os
import sys

import cv2
import numpy as np

_ESCAPE = 27


def check_screen(instead: str) -> None:
    """Checks that a window can be opened, since Qt would abort the process.

    Args:
        instead: Alternative without a screen, for the error message.

    Raises:
        ValueError: OpenCV was built without windows, or there is no screen.
    """
    if not cv2.currentUIFramework():
        raise ValueError(f'this OpenCV was built without windows (opencv-python-headless?); {instead}')
    if sys.platform.startswith('linux') and not (os.environ.get('DISPLAY') or os.environ.get('WAYLAND_DISPLAY')):
        raise ValueError(f'there is no screen here (DISPLAY is not set); {instead}')


def select_box(image: np.ndarray, name: str) -> np.ndarray:
    """Asks the user to draw a box with the mouse.

    Args:
        image: RGB uint8 (H, W, 3).
        name: Name of the target.

    Returns:
        The box (4,) float64, xywh in pixels.

    Raises:
        ValueError: No box was drawn.
    """
    title = f'{name}: draw a box, then press ENTER (c: none)'
    box = np.array(cv2.selectROI(title, cv2.cvtColor(image, cv2.COLOR_RGB2BGR), showCrosshair=False), np.float64)
    cv2.destroyWindow(title)
    if not box[2:].all():
        raise ValueError(f'no box was drawn around {name}')
    return box


def show_frame(title: str, image: np.ndarray) -> bool:
    """Shows a frame and returns whether to continue: not after ESC or q, or if the window was closed.

    Args:
        title: Title of the window, which is opened with the first frame.
        image: RGB uint8 (H, W, 3).
    """
    cv2.imshow(title, cv2.cvtColor(image, cv2.COLOR_RGB2BGR))
    key = cv2.waitKey(1) & 0xFF
    return key not in (_ESCAPE, ord('q')) and cv2.getWindowProperty(title, cv2.WND_PROP_VISIBLE) >= 1
