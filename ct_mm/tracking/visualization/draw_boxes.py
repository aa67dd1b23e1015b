"""Draws boxes into an image, and a legend below it.

Colours follow Okabe and Ito, "Color Universal Design", and are distinguishable with any kind of colour vision.
"""
from __future__ import annotations

from collections.abc import Iterable, Mapping

import cv2
import numpy as np

Color = tuple[int, int, int]

#: Name whose box is drawn in white and with a narrower line.
ANNOTATION = 'annotation'
_WHITE, _DARK = (255, 255, 255), (24, 24, 24)
_PALETTE = ((230, 159, 0), (86, 180, 233), (240, 100, 170), (0, 190, 130), (240, 228, 66), (213, 94, 0), (70, 110, 255))
_SHIFT = 4  # fractional bits of OpenCV's coordinates, so that boxes move smoothly


def choose_colors(names: Iterable[str]) -> dict[str, Color]:
    """Assigns each name a colour by its position, so that it is the same in all images.

    Args:
        names: Names in order; ``annotation`` is white and does not count as a position.

    Returns:
        RGB by name; colours repeat from the eighth name on.
    """
    others = (name for name in dict.fromkeys(names) if name != ANNOTATION)
    colors = {name: _PALETTE[index % len(_PALETTE)] for index, name in enumerate(others)}
    return {ANNOTATION: _WHITE, **colors}


def draw_boxes(image: np.ndarray, boxes: Mapping[str, np.ndarray | None],
               colors: Mapping[str, Color] | None = None) -> np.ndarray:
    """Draws a box for each name, later ones over earlier ones.

    Args:
        image: RGB uint8 (H, W, 3); it is not modified.
        boxes: Boxes (4,), xywh in pixels, by name; ``None`` or NaN is not drawn, but counts as a position for colours.
        colors: RGB by name. Default: :func:`choose_colors` of the names.

    Returns:
        A new RGB uint8 image (H, W, 3).

    Examples:
        >>> draw_boxes(np.zeros((48, 64, 3), np.uint8), dict(student=np.array([10., 10, 20, 20]))).shape
        (48, 64, 3)
    """
    colors = choose_colors(boxes) if colors is None else colors
    image = np.ascontiguousarray(image).copy()
    width = max(2, round(min(image.shape[:2]) / 180))
    corners = {name: _corners(box, image) for name, box in boxes.items() if box is not None and np.isfinite(box).all()}
    widths = {name: max(1, width // 2) if name == ANNOTATION else width for name in corners}
    # Dark rims keep boxes visible on any background. Draw all rims first, so that none covers the line of a close box.
    for extra, shades in ((2, dict.fromkeys(corners, _DARK)), (0, colors)):
        for name, (start, end) in corners.items():
            cv2.rectangle(image, start, end, shades[name], widths[name] + extra, cv2.LINE_AA, _SHIFT)
    return image


def _corners(box: np.ndarray, image: np.ndarray) -> tuple[tuple[int, int], tuple[int, int]]:
    """Returns the corners of a box, xywh in pixels, in OpenCV's fixed-point coordinates."""
    x, y, w, h = np.asarray(box, dtype=np.float64)
    # Pixel i covers the interval from i to i + 1, but OpenCV's 32-bit coordinates start at the centres of pixels.
    limit = 4 * max(image.shape)
    corners = np.clip([x - 0.5, y - 0.5, x + w - 0.5, y + h - 0.5], -limit, limit)
    left, top, right, bottom = (int(round(value * 2**_SHIFT)) for value in corners)
    return (left, top), (right, bottom)


def add_legend(image: np.ndarray, labels: Mapping[str, str], colors: Mapping[str, Color] | None = None,
               corner: str = '') -> np.ndarray:
    """Adds a dark strip below an image with a sample and a label of each colour.

    Args:
        image: RGB uint8 (H, W, 3).
        labels: ASCII text by name (OpenCV's fonts support little more), wrapped into several rows if needed.
        colors: RGB by name. Default: :func:`choose_colors` of the names.
        corner: Text at the right end of the first row, such as the number of the frame.

    Returns:
        A new RGB uint8 image (H + strip, W, 3); the height of the strip is the same for corner texts of equal length.
    """
    colors = choose_colors(labels) if colors is None else colors
    font, scale = cv2.FONT_HERSHEY_SIMPLEX, max(0.35, min(image.shape[:2]) / 800)
    (_, letter), _ = cv2.getTextSize('Mg', font, scale, 1)
    pad, swatch, row = letter, 2 * letter, round(2.4 * letter)
    reserved = cv2.getTextSize(corner, font, scale, 1)[0][0] + 2 * pad if corner else 0
    places, x, line = {}, pad, 0
    for name, text in labels.items():
        needed = swatch + pad // 2 + cv2.getTextSize(text, font, scale, 1)[0][0]
        if x > pad and x + needed > image.shape[1] - pad - (reserved if line == 0 else 0):
            x, line = pad, line + 1
        places[name] = (x, line)
        x += needed + 2 * pad
    strip = np.full((row * (line + 1) + pad // 2, image.shape[1], 3), _DARK, dtype=np.uint8)
    for name, (x, line) in places.items():
        base = row * line + pad // 4 + row // 2 + letter // 2
        thickness = max(2, letter // 3) if name != ANNOTATION else max(1, letter // 5)
        middle = base - letter // 2
        cv2.line(strip, (x, middle), (x + swatch, middle), colors[name], thickness)
        cv2.putText(strip, labels[name], (x + swatch + pad // 2, base), font, scale, _WHITE, 1, cv2.LINE_AA)
    if corner:
        place = (max(pad, image.shape[1] - reserved + pad), pad // 4 + row // 2 + letter // 2)
        cv2.putText(strip, corner, place, font, scale, (190, 190, 190), 1, cv2.LINE_AA)
    return np.concatenate([image, strip])
