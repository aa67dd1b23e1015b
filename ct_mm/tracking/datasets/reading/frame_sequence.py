"""One annotated sequence whose frames are read on demand."""
from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import cv2
import numpy as np

from ct_mm.tracking.datasets.reading.frame_files import FrameFiles
from ct_mm.tracking.datasets.reading.image_file import ImageFile


class BadFrameError(ValueError):
    """A frame can be read, but its annotation is unusable; the message names the frame.

    Training skips such a frame just like one that cannot be read (``OSError``); see ``PairDataset``.
    """


def boxes_have_area(boxes: np.ndarray) -> np.ndarray:
    """Returns (T,) bool, whether each of the boxes (T, 4), xywh, is finite and has a positive width and height."""
    return np.isfinite(boxes).all(axis=1) & (boxes[:, 2:] > 0).all(axis=1)


class FrameSequence:
    """The frames of one video or image folder together with one box per frame.

    Only the annotation is held in memory and no file stays open, so a sequence can be pickled and shared by worker
    processes. The class deliberately does not derive from ``collections.abc.Sequence``: MMEngine's collate functions
    and data preprocessors would unpack it frame by frame.

    Iterating over a video decodes it once, in order. ``sequence[i]`` decodes from the start up to frame i, because
    seeking in video containers is not frame-exact. For random access (training), image files are faster.

    Args:
        name: Name of the sequence, for results and messages.
        frames: Paths of the images in order, or the path of one video file.
        boxes: xywh, (T, 4), pixels, 0-based; one row per frame. Stored as float64.
        visible: (T,), whether the object is visible in each frame. Default: True wherever the box is finite and has
            a positive size, the rule of GOT-10k and LaSOT.
        attributes: Names of the challenges that the benchmark lists for this sequence, such as ``'Fast Motion'``.
            Default: None, the benchmark lists none.
        first_box_only: Whether only the first box is known because the benchmark's server keeps the others; the other
            rows of ``boxes`` are then NaN. Defaults to False.
        is_still: Whether this is a photograph instead of a video, so that its one frame may serve as both template and
            search frame. Defaults to False.

    Raises:
        FileNotFoundError: The video file does not exist.
        ValueError: The numbers of frames, boxes and visibility flags differ, or there are no frames.

    Examples:
        >>> sequence = FrameSequence('dog', ['0.jpg', '1.jpg'], [[10, 20, 30, 40], [12, 20, 30, 0]])
        >>> len(sequence), sequence.visible.tolist()
        (2, [True, False])
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
        self.visible = np.array(boxes_have_area(self.boxes) if visible is None else visible, dtype=bool)  # (T,)
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
        """(width, height) in pixels, read from the first frame on first access."""
        if self._image_size is None:
            height, width = self[0].shape[:2]
            self._image_size = (width, height)
        return self._image_size

    def frame_name(self, index: int) -> str:
        """Returns the source of frame ``index`` (0-based) for messages: a file, or a video and a frame number."""
        return f'{self.frames} (frame {index})' if self.is_video else self.frames[index]

    def open_frame(self, index: int) -> ImageFile | np.ndarray:
        """Opens one frame. An image file is decoded on demand, only as far as needed; a video frame is decoded now.

        Args:
            index: 0-based; negative numbers count from the end.

        Raises:
            IndexError: The frame does not exist.
            OSError: A video frame cannot be decoded. An image file raises this error on first access.
        """
        return self[index] if self.is_video else ImageFile(self.frames[self._position(index)])

    def __getitem__(self, index: int) -> np.ndarray:
        """Reads one frame.

        Args:
            index: 0-based; negative numbers count from the end.

        Returns:
            RGB uint8, (H, W, 3).

        Raises:
            IndexError: The frame does not exist.
            OSError: The frame cannot be read or decoded; the message names the file and the frame.
        """
        position = self._position(index)
        if not self.is_video:
            return np.asarray(ImageFile(self.frames[position]))
        with self._opened() as capture:
            for number in range(position):
                if not capture.grab():
                    raise self._wrong_length(number)
            return self._decode(capture, position)

    def __iter__(self) -> Iterator[np.ndarray]:
        """Yields all frames in order, RGB uint8 (H, W, 3); a video is decoded once.

        Raises:
            OSError: A frame cannot be read or decoded, or a video has more or fewer frames than there are boxes.
        """
        if not self.is_video:
            for position in range(len(self)):
                yield self[position]
            return
        with self._opened() as capture:
            for position in range(len(self)):
                yield self._decode(capture, position)
            surplus = _count_frames(capture)
        if surplus:
            raise self._wrong_length(len(self) + surplus)

    def check_length(self) -> None:
        """Checks that a video has as many frames as there are boxes; image files have already been counted.

        The frame count in the video's header is trusted if it matches. Headers can be wrong, so otherwise the frames
        are counted by decoding them.

        Raises:
            OSError: The video has more or fewer frames than there are boxes, or cannot be opened.
        """
        if self.is_video:
            with self._opened() as capture:
                count = int(capture.get(cv2.CAP_PROP_FRAME_COUNT))
                if count != len(self):
                    count = _count_frames(capture)
            if count != len(self):
                raise self._wrong_length(count)

    def _position(self, index: int) -> int:
        position = index + len(self) if index < 0 else index
        if not 0 <= position < len(self):
            raise IndexError(f'sequence {self.name!r} has {len(self)} frames, but frame {index} was requested')
        return position

    @contextmanager
    def _opened(self) -> Iterator[cv2.VideoCapture]:
        capture = cv2.VideoCapture(self.frames)
        try:
            if not capture.isOpened():
                raise OSError(f'{self.frames}: OpenCV cannot open this video file (sequence {self.name!r})')
            yield capture
        finally:
            capture.release()

    def _decode(self, capture: cv2.VideoCapture, position: int) -> np.ndarray:
        success, image = capture.read()
        if not success:
            raise self._wrong_length(position)
        return cv2.cvtColor(image, cv2.COLOR_BGR2RGB)  # (H, W, 3)

    def _wrong_length(self, count: int) -> OSError:
        """Returns the error of a video of which ``count`` frames can be decoded."""
        problem, cause = '', 'the annotation needs one line per frame'
        if count < len(self):
            problem = f'frame {count} (0-based) cannot be decoded; '
            cause = 'the video is damaged, or the annotation has more lines than the video has frames'
        return OSError(f'{self.frames}: {problem}{count} frames could be decoded, but sequence {self.name!r} has '
                       f'{len(self)} boxes: {cause}')


def _count_frames(capture: cv2.VideoCapture) -> int:
    """Counts the frames from the current position to the end of a video."""
    return sum(1 for _ in iter(capture.grab, False))
