"""Photographs divided into segments, from which composites are made."""
from dataclasses import dataclass

import cv2
import numpy as np

from .worker_memory import LocalCache


@dataclass(frozen=True)
class Segment:
    """One connected region of a photograph.

    Attributes:
        box: (x, y, w, h) in pixels, tight around the mask.
        mask: (h, w) uint8, 255 inside the segment.
    """
    box: tuple[int, int, int, int]
    mask: np.ndarray


@dataclass(frozen=True)
class Photograph:
    """An image and its segments that make good targets.

    Attributes:
        name: File or dataset entry, for messages.
        image: (H, W, 3) uint8 RGB.
        segments: The targets; may be empty.
    """
    name: str
    image: np.ndarray
    segments: list[Segment]


class SegmentPhotos:
    """Base class of the sources of segments. A subclass sets ``names`` and implements :meth:`read`.

    A photograph is read on first access, reduced in size, and cached (about 0.3 MB each).

    A segment is a target if it covers 1 % to 35 % of the photograph, touches at most one border, fills most of its box
    and its convex hull, is neither tiny nor a sliver, has texture, and differs from its surroundings: no tracker can
    distinguish a patch of plain sky from the sky next to it.

    Args:
        max_side: Longer side of the cached photograph in pixels. Defaults to 400.
        area: Smallest and largest area of a target relative to the photograph. Defaults to (0.01, 0.35).
        min_side: Minimum shorter side of a target's box in pixels of the cached photograph. Defaults to 16.
        min_fill: Minimum area of the segment relative to its box. Defaults to 0.4.
        min_solidity: Minimum area of the segment relative to its convex hull. Defaults to 0.65.
        max_borders: Number of borders of the photograph that a target may touch. Defaults to 1.
        max_aspect: Maximum ratio of the sides of a target's box. Defaults to 4.
        min_texture: Minimum standard deviation of the grey values (0 to 255) inside the segment. Defaults to 14.
        min_contrast: Minimum distance between the mean RGB colours (0 to 255) inside and around it. Defaults to 20.
    """

    names: list[str]

    def __init__(self, max_side: int = 400, area: tuple[float, float] = (0.01, 0.35), min_side: int = 16,
                 min_fill: float = 0.4, min_solidity: float = 0.65, max_borders: int = 1, max_aspect: float = 4.0,
                 min_texture: float = 14.0, min_contrast: float = 20.0) -> None:
        self.max_side, self.area, self.min_side, self.min_fill = max_side, tuple(area), min_side, min_fill
        self.min_solidity, self.max_borders = min_solidity, max_borders
        self.max_aspect, self.min_texture, self.min_contrast = max_aspect, min_texture, min_contrast
        self._cache = LocalCache()

    def __len__(self) -> int:
        return len(self.names)

    def __getitem__(self, index: int) -> Photograph:
        return self._cache.get_or_make(int(index), self._load)

    def read(self, index: int) -> tuple[np.ndarray, list[np.ndarray]]:
        """Returns an image (H, W, 3) uint8 RGB and integer label maps, each (H, W); labels need not be connected."""
        raise NotImplementedError

    def _load(self, index: int) -> Photograph:
        image, label_maps = self.read(index)
        scale = self.max_side / max(image.shape[:2])
        if scale < 1:
            size = (round(image.shape[1] * scale), round(image.shape[0] * scale))
            image = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
            label_maps = [cv2.resize(labels.astype(np.float32), size, interpolation=cv2.INTER_NEAREST)
                          for labels in label_maps]
        targets: list[Segment] = []
        for labels in label_maps:
            targets += [found for found in self.find_targets(image, labels)
                        if all(_iou(found, known) < 0.7 for known in targets)]
        return Photograph(self.names[index], image, targets)

    def find_targets(self, image: np.ndarray, labels: np.ndarray) -> list[Segment]:
        """Returns the segments that pass every test in the class docstring, in the order of their labels.

        Args:
            image: (H, W, 3) uint8 RGB.
            labels: (H, W), one number per segment.
        """
        targets = []
        grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)  # (H, W)
        for label in np.unique(labels):
            _, parts, stats, _ = cv2.connectedComponentsWithStats((labels == label).astype(np.uint8), connectivity=4)
            best = 1 + int(np.argmax(stats[1:, cv2.CC_STAT_AREA]))
            x, y, w, h, area = (int(v) for v in stats[best])
            if self._shape_is_good(x, y, w, h, area, labels.shape):
                mask = (parts[y:y + h, x:x + w] == best).astype(np.uint8) * 255
                segment = Segment((x, y, w, h), mask)
                if self._looks_are_good(image, grey, segment):
                    targets.append(segment)
        return targets

    def _shape_is_good(self, x: int, y: int, w: int, h: int, area: int, shape: tuple[int, int]) -> bool:
        height, width = shape
        borders = (x == 0) + (y == 0) + (x + w == width) + (y + h == height)
        return (self.area[0] <= area / (height * width) <= self.area[1] and borders <= self.max_borders
                and min(w, h) >= self.min_side and max(w, h) <= self.max_aspect * min(w, h)
                and area >= self.min_fill * w * h)

    def _looks_are_good(self, image: np.ndarray, grey: np.ndarray, segment: Segment) -> bool:
        x, y, w, h = segment.box
        inside = segment.mask > 0
        outline, _ = cv2.findContours(segment.mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
        # A contour passes through pixel centres, so half of its length is added to the area.
        hull = cv2.convexHull(np.concatenate(outline))
        hull_area = cv2.contourArea(hull) + cv2.arcLength(hull, True) / 2 + 1
        if inside.sum() < self.min_solidity * hull_area:
            return False
        if grey[y:y + h, x:x + w][inside].std() < self.min_texture:
            return False
        pad = max(4, round(0.15 * max(w, h)))  # width of the ring around the segment, whose colour must differ
        top, left = max(y - pad, 0), max(x - pad, 0)
        patch = image[top:y + h + pad, left:x + w + pad]
        solid = np.zeros(patch.shape[:2], np.uint8)
        solid[y - top:y - top + h, x - left:x - left + w] = segment.mask
        ring = cv2.dilate(solid, np.ones((2 * pad + 1, 2 * pad + 1), np.uint8)) > solid
        contrast = patch[ring].mean(0) - patch[solid > 0].mean(0)  # (3,)
        return bool(ring.any()) and float(np.linalg.norm(contrast)) >= self.min_contrast


def _iou(first: Segment, second: Segment) -> float:
    """Intersection over union of two boxes."""
    (x1, y1, w1, h1), (x2, y2, w2, h2) = first.box, second.box
    both = max(min(x1 + w1, x2 + w2) - max(x1, x2), 0) * max(min(y1 + h1, y2 + h2) - max(y1, y2), 0)
    return both / (w1 * h1 + w2 * h2 - both)
