"""VideoBackgrounds: backgrounds for composites in which a real camera moves."""
from pathlib import Path

import cv2
import numpy as np

from ct_mm.registry import DATASETS

from .worker_memory import LocalCache


@DATASETS.register_module()
class VideoBackgrounds:
    """Frames of unlabelled videos. A draw returns two frames of one video, so the background changes realistically.

    A video is decoded on first access; the cached frames are small (about 0.25 MB each).

    Args:
        data_root: Folder of the videos.
        suffix: Ending of their names. Defaults to ``'.mp4'``.
        every: Every n-th frame is cached. Defaults to 8.
        max_frames: Maximum number of cached frames per video, from its start. Defaults to 60.
        max_side: Longer side of a cached frame in pixels. Defaults to 400.
        max_gap: Maximum distance between the two frames of a draw, in cached frames. Defaults to 6.

    Raises:
        FileNotFoundError: The folder does not exist or contains no video.
        ValueError: An argument is out of range.
    """

    def __init__(self, data_root: str | Path, suffix: str = '.mp4', every: int = 8, max_frames: int = 60,
                 max_side: int = 400, max_gap: int = 6) -> None:
        self.names = sorted(str(path) for path in Path(data_root).glob(f'*{suffix}'))
        if not self.names:
            raise FileNotFoundError(f'VideoBackgrounds: no videos *{suffix} in data_root={str(data_root)!r}')
        if min(every, max_frames, max_side) < 1 or max_gap < 0:
            raise ValueError('VideoBackgrounds: every, max_frames and max_side must be at least 1, max_gap at least 0')
        self.every, self.max_frames, self.max_side, self.max_gap = every, max_frames, max_side, max_gap
        self._cache = LocalCache()

    def draw(self, rng: np.random.Generator) -> tuple[tuple[np.ndarray, np.ndarray], str]:
        """Returns two frames of one video, (H, W, 3) RGB uint8, and their name for messages.

        Raises:
            OSError: The video cannot be decoded.
        """
        name = self.names[rng.integers(len(self.names))]
        frames = self._cache.get_or_make(name, self._read)
        first = int(rng.integers(len(frames)))
        second = int(np.clip(first + rng.integers(-self.max_gap, self.max_gap + 1), 0, len(frames) - 1))
        return (frames[first], frames[second]), f'{name} (frames {first * self.every} and {second * self.every})'

    def _read(self, name: str) -> list[np.ndarray]:
        capture, frames, number = cv2.VideoCapture(name), [], 0
        try:
            while len(frames) < self.max_frames and capture.grab():
                if number % self.every == 0:
                    done, image = capture.retrieve()
                    if not done:
                        raise OSError(f'{name}: frame {number} (0-based) cannot be decoded')
                    scale = min(self.max_side / max(image.shape[:2]), 1)
                    size = (round(image.shape[1] * scale), round(image.shape[0] * scale))
                    image = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
                    frames.append(cv2.cvtColor(image, cv2.COLOR_BGR2RGB))
                number += 1
        finally:
            capture.release()
        if not frames:
            raise OSError(f'{name}: OpenCV cannot read any frame of this video')
        return frames
