"""Writes videos that all browsers can play."""
from __future__ import annotations

import importlib
import os
from collections.abc import Generator
from pathlib import Path
from types import ModuleType, TracebackType

import cv2
import numpy as np


class VideoWriter:
    """Writes an H.264 video atomically to an MP4 file.

    Use it as a context manager. The file gets its name when the block ends without an error; after an error nothing is
    left. OpenCV's own writer is no alternative, since its wheels contain no H.264 encoder.

    Args:
        path: Path of the file, ending in ``.mp4``. Missing folders are created.
        fps: Frames per second.
        quality: Quality from 1 (small file) to 10 (best).

    Raises:
        ImportError: If imageio-ffmpeg, which contains the encoder, is not installed. The message says how to get it.
        ValueError: If the name or a number is invalid.
    """

    def __init__(self, path: str | os.PathLike, fps: float = 25, quality: float = 7) -> None:
        self.path = Path(path)
        if self.path.suffix.lower() != '.mp4':
            raise ValueError(f'the name of a video must end in .mp4, not {self.path.name}')
        if not (np.isfinite(fps) and fps > 0 and 1 <= quality <= 10):
            raise ValueError(f'{self.path}: fps must be above 0 and quality between 1 and 10, not {fps} and {quality}')
        self.fps, self.quality = fps, quality
        self.frames = 0
        self._ffmpeg = import_ffmpeg()
        self._temporary = self.path.with_name(f'.{self.path.stem}.{os.getpid()}.mp4')
        self._stream: Generator | None = None
        self._shape: tuple[int, ...] | None = None  # of the images passed to write

    def __enter__(self) -> VideoWriter:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 trace: TracebackType | None) -> None:
        try:
            if self._stream is not None:
                self._stream.close()  # waits for the encoder
                self._stream = None
            if kind is None:
                self._check()
                os.replace(self._temporary, self.path)
        finally:
            self._temporary.unlink(missing_ok=True)

    def write(self, image: np.ndarray) -> None:
        """Adds a frame.

        Args:
            image: RGB uint8 (H, W, 3) with the size of the first frame. H.264 needs even sizes; if a size is odd, the
                last row or column is repeated.

        Raises:
            ValueError: If the image is not RGB uint8 or has a different size.
            OSError: If the encoder fails.
        """
        if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
            raise ValueError(f'{self.path}: frame {self.frames} must be RGB uint8 (H, W, 3), not {image.dtype} '
                             f'{image.shape}')
        if self._shape is None:
            self._shape = image.shape
        elif image.shape != self._shape:
            raise ValueError(f'{self.path}: frame {self.frames} is {image.shape[1]} x {image.shape[0]} pixels, but the '
                             f'first is {self._shape[1]} x {self._shape[0]}')
        height, width = image.shape[:2]
        if height % 2 or width % 2:
            image = np.pad(image, ((0, height % 2), (0, width % 2), (0, 0)), mode='edge')
        if self._stream is None:
            self._open(image.shape[1], image.shape[0])
        self._stream.send(np.ascontiguousarray(image))
        self.frames += 1

    def _open(self, width: int, height: int) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._stream = self._ffmpeg.write_frames(
            str(self._temporary), (width, height), fps=self.fps, quality=self.quality, macro_block_size=1,
            ffmpeg_log_level='error',
            output_params=['-movflags', '+faststart'])  # put the index first, so that the video plays while it loads
        self._stream.send(None)

    def _check(self) -> None:
        # imageio-ffmpeg does not report the exit status of the encoder, so check that the file is complete.
        if not self.frames:
            raise ValueError(f'{self.path}: no frame was written')
        found = 0
        if self._temporary.is_file():
            capture = cv2.VideoCapture(str(self._temporary))
            found = int(capture.get(cv2.CAP_PROP_FRAME_COUNT)) if capture.isOpened() else 0
            capture.release()
        if found != self.frames:
            raise OSError(f'{self.path}: only {found} of {self.frames} frames are in the file; ffmpeg failed (see '
                          'its message above), or the disk is full')


def import_ffmpeg() -> ModuleType:
    """Imports and returns imageio-ffmpeg, whose wheels contain the program ffmpeg.

    Raises:
        ImportError: If imageio-ffmpeg is not installed.
    """
    try:
        return importlib.import_module('imageio_ffmpeg')
    except ImportError as error:
        raise ImportError('writing videos requires imageio-ffmpeg, which contains an H.264 encoder: '
                          'pip install imageio-ffmpeg') from error
