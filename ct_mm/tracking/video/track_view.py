"""Shows tracks in a video, a window, or both."""
from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType

import numpy as np

from ct_mm.tracking.video.screen import show_frame
from ct_mm.tracking.visualization import VideoWriter, add_legend, choose_colors, draw_boxes
from ct_mm.tracking.visualization.video_writer import import_ffmpeg


class TrackView:
    """Draws boxes into frames, with names, scores and the number of the frame below the image.

    Use it as a context manager. The video is completed and kept even if the block ends with an error.

    Args:
        names: Names of the targets.
        video: Path of an MP4 file. Default: no video.
        fps: Frames per second of the video.
        window: Title of a window. Default: no window.
        last: Number of the last frame; None if unknown.

    Raises:
        ImportError: A video is requested, but imageio-ffmpeg is not installed.
        OSError: imageio-ffmpeg has no encoder for this machine, or the path of the video is a folder.
    """

    def __init__(self, names: Sequence[str], video: str | os.PathLike | None = None, fps: float = 25,
                 window: str | None = None, last: int | None = None) -> None:
        self.names = list(names)
        #: Path of the video after it is complete.
        self.saved: Path | None = None
        self._colors = choose_colors(self.names)
        self._video = None if video is None else VideoWriter(video, fps)
        self._window, self._last = window, last
        # Numbers get leading zeros, because the strip below the image must keep its height.
        self._digits = len(str(last))
        if self._video is None:
            return
        if self._video.path.is_dir():
            raise IsADirectoryError(f'{video} is a folder, but a video must be written there')
        try:
            import_ffmpeg().get_ffmpeg_exe()
        except RuntimeError as error:
            raise OSError(f'{video} cannot be written: {error}') from error

    def __enter__(self) -> TrackView:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 trace: TracebackType | None) -> None:
        if self._video is not None and self._video.frames:
            self._video.__exit__(None, None, None)
            self.saved = self._video.path

    def write(self, image: np.ndarray, boxes: np.ndarray, scores: np.ndarray, number: int) -> bool:
        """Adds a frame.

        Args:
            image: RGB uint8 (H, W, 3).
            boxes: Boxes (N, 4), xywh in pixels.
            scores: Scores (N,).
            number: Number of the frame, counted from 1.

        Returns:
            Whether to continue: False if the user closed the window or pressed q or ESC.

        Raises:
            OSError: The video encoder failed.
        """
        if self._video is None and self._window is None:
            return True
        # OpenCV's fonts support little more than ASCII.
        labels = {name: f'{name.encode("ascii", "replace").decode()} {score:.2f}'
                  for name, score in zip(self.names, scores)}
        known = self._last is not None and number <= self._last  # headers of videos can be wrong
        counter = f'{number:0{self._digits}d}/{self._last}' if known else f'{number:07d}'
        drawn = add_legend(draw_boxes(image, dict(zip(self.names, boxes)), self._colors), labels, self._colors, counter)
        if self._video is not None:
            self._video.write(drawn)
        return self._window is None or show_frame(self._window, drawn)
