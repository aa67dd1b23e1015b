"""Pure functions that paint segments onto a canvas and imitate a camera."""
from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np

from .segment_photos import Photograph, Segment


@dataclass(frozen=True)
class Cutout:
    """A segment cut out of its photograph: ``rgb`` (h, w, 3) uint8 and a soft-edged ``alpha`` (h, w) uint8."""
    rgb: np.ndarray
    alpha: np.ndarray


@dataclass(frozen=True)
class Layer:
    """A cutout placed on the canvas: ``rgb`` (h, w, 3) and ``alpha`` (h, w), both uint8, at pixel (x, y)."""
    x: int
    y: int
    rgb: np.ndarray
    alpha: np.ndarray

    @property
    def window(self) -> tuple[slice, slice]:
        """The rows and columns of the canvas that the layer covers."""
        height, width = self.alpha.shape
        return slice(self.y, self.y + height), slice(self.x, self.x + width)


def cut_out(photograph: Photograph, segment: Segment, feather: bool = True) -> Cutout:
    """Cuts a segment out of a photograph.

    Args:
        photograph: The photograph.
        segment: One of its segments.
        feather: Whether to soften the edge over one pixel. If False, the alpha is the exact mask. Defaults to True.
    """
    x, y, w, h = segment.box
    rgb = cv2.copyMakeBorder(photograph.image[y:y + h, x:x + w], 2, 2, 2, 2, cv2.BORDER_REPLICATE)
    alpha = cv2.copyMakeBorder(segment.mask, 2, 2, 2, 2, cv2.BORDER_CONSTANT, value=0)
    if feather:  # eroding first keeps the colours of the original surroundings out of the soft edge
        alpha = cv2.blur(cv2.erode(alpha, np.ones((3, 3), np.uint8)), (3, 3))
    return Cutout(rgb, alpha)


def recolour(cutout: Cutout, rng: np.random.Generator) -> Cutout:
    """Returns the same shape and texture in other colours and another brightness."""
    hsv = cv2.cvtColor(cutout.rgb, cv2.COLOR_RGB2HSV)
    hsv[..., 0] = (hsv[..., 0].astype(np.int32) + rng.integers(40, 140)) % 180
    gain = rng.uniform(0.5, 0.7) if hsv[..., 2].mean() > 100 else rng.uniform(1.5, 2.0)
    hsv[..., 2] = np.clip(hsv[..., 2] * gain, 0, 255)
    return Cutout(cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB), cutout.alpha)


def bend(cutout: Cutout, rng: np.random.Generator, strength: float) -> Cutout:
    """Bends a cutout smoothly, like an object that walks or turns.

    Args:
        cutout: The cutout.
        rng: The random generator.
        strength: Standard deviation of the displacement of 4 x 4 grid points, relative to the sides. Displacements are
            clipped at two standard deviations.
    """
    height, width = cutout.alpha.shape
    margin = int(np.ceil(2 * strength * max(height, width)))  # room for parts that move outward
    rgb = cv2.copyMakeBorder(cutout.rgb, margin, margin, margin, margin, cv2.BORDER_REPLICATE)
    alpha = cv2.copyMakeBorder(cutout.alpha, margin, margin, margin, margin, cv2.BORDER_CONSTANT, value=0)
    places = np.clip(rng.standard_normal((2, 4, 4)), -2, 2) * strength * np.array([width, height])[:, None, None]
    size = alpha.shape[::-1]
    dx, dy = (cv2.resize(moved.astype(np.float32), size, interpolation=cv2.INTER_LINEAR) for moved in places)
    x, y = np.meshgrid(np.arange(size[0], dtype=np.float32), np.arange(size[1], dtype=np.float32))
    rgb = cv2.remap(rgb, x + dx, y + dy, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return Cutout(rgb, cv2.remap(alpha, x + dx, y + dy, cv2.INTER_LINEAR))


def placement(size: tuple[int, int], centre, scale, angle: float, shear: float = 0.0) -> np.ndarray:
    """Returns the (2, 3) matrix that maps pixels of an image to pixels of the canvas.

    Args:
        size: Width and height of the image in pixels.
        centre: (x, y) of the image's centre on the canvas, in pixels.
        scale: (x, y) factors along the image's own axes.
        angle: Rotation in radians.
        shear: Horizontal shear. Defaults to 0.
    """
    c, s = np.cos(angle), np.sin(angle)
    linear = np.array([[c, -s], [s, c]]) @ np.array([[1, shear], [0, 1]]) @ np.diag(scale)  # (2, 2)
    middle = (np.array(size) - 1) / 2
    return np.hstack([linear, (np.asarray(centre) - linear @ middle)[:, None]])


def warp(cutout: Cutout, matrix: np.ndarray, canvas_size: tuple[int, int]) -> Layer | None:
    """Warps a cutout onto a canvas; only the part inside the canvas is computed.

    Args:
        cutout: The cutout.
        matrix: (2, 3), from pixels of the cutout to pixels of the canvas.
        canvas_size: (width, height) in pixels.

    Returns:
        The layer, or None if the cutout lies outside the canvas.
    """
    rgb, alpha = cutout.rgb, cutout.alpha
    while abs(np.linalg.det(matrix[:, :2])) < 0.25 and min(alpha.shape) >= 4:  # bilinear sampling alone would alias
        h, w = alpha.shape[0] // 2, alpha.shape[1] // 2
        rgb = cv2.resize(rgb[:2 * h, :2 * w], (w, h), interpolation=cv2.INTER_AREA)
        alpha = cv2.resize(alpha[:2 * h, :2 * w], (w, h), interpolation=cv2.INTER_AREA)
        # A pixel centre at n was at 2 n + 0.5.
        matrix = np.hstack([2 * matrix[:, :2], matrix[:, 2:] + matrix[:, :2].sum(1, keepdims=True) / 2])
    h, w = alpha.shape
    corners = matrix @ np.array([[0, w, 0, w], [0, 0, h, h], [1, 1, 1, 1]])  # (2, 4)
    low = np.maximum(np.floor(corners.min(1)).astype(int) - 1, 0)
    high = np.minimum(np.ceil(corners.max(1)).astype(int) + 2, canvas_size)
    if (high <= low).any():
        return None
    shifted = matrix - np.array([[0, 0, low[0]], [0, 0, low[1]]])
    region = (int(high[0] - low[0]), int(high[1] - low[1]))
    return Layer(int(low[0]), int(low[1]), cv2.warpAffine(rgb, shifted, region, borderMode=cv2.BORDER_REPLICATE),
                 cv2.warpAffine(alpha, shifted, region))


def paint(canvas: np.ndarray, layer: Layer) -> None:
    """Blends a layer onto a canvas, (H, W, 3) uint8, in place."""
    alpha = layer.alpha[..., None].astype(np.uint16)  # (h, w, 1)
    under = canvas[layer.window]
    canvas[layer.window] = ((layer.rgb * alpha + under * (255 - alpha) + 127) // 255).astype(np.uint8)


def behind(layer: Layer, front: Layer, canvas_size: tuple[int, int]) -> Layer:
    """Returns the layer with the part behind ``front`` made transparent."""
    cover = np.zeros(canvas_size[::-1], np.uint8)
    cover[front.window] = front.alpha
    alpha = layer.alpha.astype(np.uint16) * (255 - cover[layer.window]) // 255
    return Layer(layer.x, layer.y, layer.rgb, alpha.astype(np.uint8))


def tight_box(layer: Layer) -> np.ndarray | None:
    """Returns the (4,) float64 xywh box, in canvas pixels, around all pixels that are at least half opaque, or None."""
    solid = layer.alpha >= 128
    columns, rows = np.flatnonzero(solid.any(0)), np.flatnonzero(solid.any(1))
    if not len(columns):
        return None
    return np.array([layer.x + columns[0], layer.y + rows[0], np.ptp(columns) + 1, np.ptp(rows) + 1], np.float64)


def relight(image: np.ndarray, rng: np.random.Generator, strength: float) -> np.ndarray:
    """Applies random gain, offset, gamma and colour cast; ``strength`` 1 is a clear change of light, 0 is none."""
    gain = np.exp(strength * (0.2 * rng.standard_normal() + 0.05 * rng.standard_normal(3)))  # (3,)
    gamma = np.exp(strength * 0.2 * rng.standard_normal())
    offset = strength * 10 * rng.standard_normal()
    table = 255 * gain * (np.arange(256)[:, None] / 255)**gamma + offset  # (256, 3)
    return cv2.LUT(image, np.clip(table + 0.5, 0, 255).astype(np.uint8)[None])


def camera(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Imitates a cheap camera: applies blur, motion blur, noise and JPEG compression, each with a small probability."""
    blur, noise, jpeg = rng.random(3)
    if blur < 0.15:
        image = cv2.GaussianBlur(image, (0, 0), rng.uniform(0.4, 1.3))
    elif blur < 0.25:
        length, angle = int(rng.integers(3, 8)), rng.uniform(0, 180)
        kernel = np.zeros((length, length), np.float32)
        kernel[length // 2] = 1
        middle = (length - 1) / 2
        kernel = cv2.warpAffine(kernel, cv2.getRotationMatrix2D((middle, middle), angle, 1), (length, length))
        image = cv2.filter2D(image, -1, kernel / kernel.sum())
    if noise < 0.4:
        y, x = rng.integers(0, 256, 2)
        grain = _grain(*image.shape[:2])[y:y + image.shape[0], x:x + image.shape[1]]  # (H, W, 3)
        image = cv2.addWeighted(image, 1.0, grain, rng.uniform(1.5, 8), 0, dtype=cv2.CV_8U)
    if jpeg < 0.2:
        _, data = cv2.imencode('.jpg', image, [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(30, 85))])
        image = cv2.imdecode(data, cv2.IMREAD_COLOR)
    return image


@lru_cache(maxsize=4)
def _grain(height: int, width: int) -> np.ndarray:
    """Returns a sheet of noise from which windows are cut; drawing new noise for every frame would take 3 ms."""
    return np.random.default_rng(0).standard_normal((height + 256, width + 256, 3), np.float32)
