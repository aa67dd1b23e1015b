"""One annotated sequence whose frames are read only when asked for."""
from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import cv2
import numpy as np

from ct_mm.tracking.datasets.reading.frame_files import FrameFiles
from ct_mm.tracking.datasets.reading.image_file import ImageFile


class BadFrameError(ValueError):
    """A frame can be read, but its annotation is unusable; the message names the frame.

    A training skips such a frame as it skips one that cannot be read (``OSError``); see ``PairDataset``.
    """


class FrameSequence:
    """The frames of one video or image folder together with one box per frame.

    Nothing but the annotation is held in memory, and no file stays open, so a sequence can be pickled and shared by
    worker processes. It is deliberately no ``collections.abc.Sequence``: collate functions and data preprocessors
    of MMEngine would unpack it frame by frame.

    Iterating a video decodes it once, in order. ``sequence[i]`` decodes from the start up to frame i, because the seeks
    of video containers are not frame-exact; for random access (training) frames as image files are faster.

    Args:
        name: Name of the sequence, for results and messages.
        frames: Paths of the images in order, or the path of one video file.
        boxes: xywh, (T, 4), pixels, 0-based; one row per frame. Stored as float64.
        visible: (T,), whether the object is visible in each frame. Default: True wherever the box is finite and has
            a positive size, the rule of GOT-10k and LaSOT.
        attributes: Names of the challenges that the benchmark lists for this sequence, such as ``'Fast Motion'``.
            Default: None, the benchmark lists none.
        first_box_only: Whether only the first box is known (the rest is kept by the benchmark's server); the other rows
            of ``boxes`` are NaN then. Defaults to False.
        is_still: Whether this is a photograph and no video, so that one frame may serve as template and as search
            frame. Defaults to False.

    Raises:
        FileNotFoundError: The video file does not exist.
        ValueError: The numbers of frames, boxes and visibility flags differ, or there is no frame.
    """

    def __init__(self, name: str, frames: str | Path | Sequence[str | Path], boxes: np.ndarray,
                 visible: np.ndarray | None = None, attributes: Sequence[str] | None = None,
                 first_box_only: bool = False, is_still: bool = False) -> None:
        self.name = name
        self.attributes = None if attributes is None else tuple(attributes)
        self.first_box_only, self.is_still = first_box_only, is_still
        self.is_video = isinstance(frames, (str, Path))
        if self.is_video:
            self.frames = str(frames)
        else:
            self.frames = frames if isinstance(frames, FrameFiles) else [str(frame) for frame in frames]
        self.boxes = np.array(boxes, dtype=np.float64)  # (T, 4)
        if self.boxes.ndim != 2 or self.boxes.shape[1] != 4 or len(self.boxes) == 0:
            raise ValueError(f'sequence {name!r}: boxes must be (T, 4) with T > 0, but are {self.boxes.shape}')
        if self.is_video:
            if not Path(self.frames).is_file():
                raise FileNotFoundError(f'sequence {name!r}: no video file {self.frames}')
        elif len(self.frames) != len(self.boxes):
            raise ValueError(f'sequence {name!r}: {len(self.frames)} frames but {len(self.boxes)} boxes')
        if visible is None:
            visible = np.isfinite(self.boxes).all(axis=1) & (self.boxes[:, 2:] > 0).all(axis=1)
        self.visible = np.array(visible, dtype=bool)  # (T,)
        if self.visible.shape != (len(self.boxes), ):
            raise ValueError(f'sequence {name!r}: visible must be ({len(self.boxes)},), one flag per box, but is '
                             f'{self.visible.shape}')
        self._image_size: tuple[int, int] | None = None

    def __len__(self) -> int:
        return len(self.boxes)

    def __repr__(self) -> str:
        return f'FrameSequence(name={self.name!r}, frames={len(self)}, is_video={self.is_video})'

    @property
    def image_size(self) -> tuple[int, int]:
        """(width, height) in pixels, read from the first frame when first asked for."""
        if self._image_size is None:
            height, width = self[0].shape[:2]
            self._image_size = (width, height)
        return self._image_size

    def frame_name(self, index: int) -> str:
        """Where frame ``index`` (0-based) comes from, for messages: a file, or a video with a frame number."""
        return f'{self.frames} (frame {index})' if self.is_video else self.frames[index]

    def open_frame(self, index: int) -> ImageFile | np.ndarray:
        """One frame of which only what is looked at is decoded; that of a video is decoded at once.

        Args:
            index: 0-based; negative numbers count from the end.

        Raises:
            IndexError: There is no such frame.
            OSError: A frame of a video cannot be decoded. An image file raises it when it is first looked at.
        """
        return self[index] if self.is_video else ImageFile(self.frames[self._position(index)])

    def __getitem__(self, index: int) -> np.ndarray:
        """Reads one frame.

        Args:
            index: 0-based; negative numbers count from the end.

        Returns:
            RGB uint8, (H, W, 3).

        Raises:
            IndexError: There is no such frame.
            OSError: The frame cannot be read or decoded; the message names the file and the frame.
        """
        position = self._position(index)
        if not self.is_video:
            return self._read_image(position)
        capture = self._open()
        try:
            for number in range(position):
                if not capture.grab():
                    raise self._too_short(number)
            return self._decode(capture, position)
        finally:
            capture.release()

    def __iter__(self) -> Iterator[np.ndarray]:
        """Yields all frames in order, RGB uint8 (H, W, 3); a video is decoded once.

        Raises:
            OSError: A frame cannot be read or decoded, or a video has more or fewer frames than there are boxes.
        """
        if not self.is_video:
            for position in range(len(self)):
                yield self._read_image(position)
            return
        capture = self._open()
        try:
            for position in range(len(self)):
                yield self._decode(capture, position)
            surplus = 0
            while capture.grab():
                surplus += 1
        finally:
            capture.release()
        if surplus:
            raise self._too_long(len(self) + surplus)

    def check_length(self) -> None:
        """Compares the number of frames of a video with the number of boxes; image files were counted already.

        The number in the video's header is trusted if it fits. Since headers can be wrong, the frames are counted by
        decoding if it does not.

        Raises:
            OSError: The video has more or fewer frames than there are boxes, or cannot be opened.
        """
        if not self.is_video:
            return
        capture = self._open()
        try:
            if int(capture.get(cv2.CAP_PROP_FRAME_COUNT)) == len(self):
                return
            count = 0
            while capture.grab():
                count += 1
        finally:
            capture.release()
        if count < len(self):
            raise self._too_short(count)
        if count > len(self):
            raise self._too_long(count)

    def _position(self, index: int) -> int:
        position = index + len(self) if index < 0 else index
        if not 0 <= position < len(self):
            raise IndexError(f'sequence {self.name!r} has {len(self)} frames, there is no frame {index}')
        return position

    def _read_image(self, position: int) -> np.ndarray:
        return np.asarray(ImageFile(self.frames[position]))

    def _open(self) -> cv2.VideoCapture:
        capture = cv2.VideoCapture(self.frames)
        if not capture.isOpened():
            raise OSError(f'{self.frames}: OpenCV cannot open this video file (sequence {self.name!r})')
        return capture

    def _decode(self, capture: cv2.VideoCapture, position: int) -> np.ndarray:
        success, image = capture.read()
        if not success:
            raise self._too_short(position)
        return cv2.cvtColor(image, cv2.COLOR_BGR2RGB)  # (H, W, 3)

    def _too_short(self, position: int) -> OSError:
        return OSError(f'{self.frames}: frame {position} (0-based) could not be decoded; {position} frames could, but '
                       f'there are {len(self)} boxes for sequence {self.name!r}. The file is damaged, or the '
                       'annotation has more lines than the video has frames')

    def _too_long(self, count: int) -> OSError:
        return OSError(f'{self.frames}: {count} frames could be decoded, but there are {len(self)} boxes for sequence '
                       f'{self.name!r}; the annotation needs one line per frame')
