"""Reads frames from videos, images, cameras and streams."""
from __future__ import annotations

import glob
import os
import re
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np

from ct_mm.package_files import resolve_path
from ct_mm.tracking.datasets.reading import FrameFiles, ImageFile


class SourceError(OSError):
    """Error of a source that fails before its end: a stream drops, or a frame is damaged or has a different size.

    The message names the frame. Tracks up to this frame are valid.
    """


_NUMBERS = re.compile(r'(\d+)')
_RETRIES = 100  # a damaged frame can fail several times before the next frame is decoded


class FrameSource:
    """Iterates over the frames of a video file, images, a camera or a stream.

    This class hides the peculiarities of OpenCV, which does not distinguish the end of a file from a damaged frame or a
    lost connection, guesses the number of frames, and silently reads truncated image files. Two problems remain
    invisible: damage that the decoder conceals, and videos that change size, as OpenCV scales later frames to the
    first.

    Args:
        source: Path of a video file or of a folder of images; a pattern of image files such as ``'folder/*.jpg'``; the
            number of a camera; or the address of a stream, such as ``rtsp://...`` or ``http://...``. Paths inside the
            package start with ``ct_mm::``.
        skip: Number of frames to skip at the beginning. Default: 0.
        timeout: Seconds without data after which a stream counts as dropped. Default: 10.

    Raises:
        FileNotFoundError: The file, folder or image does not exist.
        OSError: The video, camera or stream cannot be opened.
        ValueError: The file is a single image, or no frames remain after the skipped ones.

    Examples:
        >>> import os, tempfile
        >>> folder = tempfile.mkdtemp()
        >>> for number in (1, 2, 3):
        ...     _ = cv2.imwrite(os.path.join(folder, f'{number}.png'), np.zeros((48, 64, 3), np.uint8))
        >>> source = FrameSource(folder, skip=1)
        >>> source.length, [frame.shape for frame in source]
        (2, [(48, 64, 3), (48, 64, 3)])
    """

    def __init__(self, source: str | os.PathLike | int, skip: int = 0, timeout: float = 10) -> None:
        self.source, self.skip = str(source) if isinstance(source, int) else resolve_path(source), skip
        self._timeout = timeout
        self._paths = self._find_images()  # None for videos
        self._capture: cv2.VideoCapture | None = None
        #: Name for results, from the name of the file or folder.
        self.name: str = self._name()
        #: Frames per second; None if unknown.
        self.fps: float | None = None
        #: Number of frames without the skipped ones; None if unknown. The header of a video can be wrong.
        self.length: int | None = None
        if self._paths is not None:
            self.length = len(self._paths) - skip
            if self.length <= 0:
                raise ValueError(f'{self.source} has {len(self._paths)} frames, so none remain after skipping {skip}')
            return
        self._capture = self._open()
        fps, count = self._capture.get(cv2.CAP_PROP_FPS), self._capture.get(cv2.CAP_PROP_FRAME_COUNT)
        if 1 <= fps <= 240:  # some headers contain nonsense
            self.fps = fps
        if count > 0:
            self.length = max(int(count) - skip, 0)

    @property
    def is_live(self) -> bool:
        """Whether this is a camera or a stream, whose length is unknown in advance."""
        return self.source.isdigit() or '://' in self.source or Path(self.source).is_char_device()

    def __repr__(self) -> str:
        return f'FrameSource({self.source!r}, skip={self.skip})'

    def __iter__(self) -> Iterator[np.ndarray]:
        """Yields the frames, RGB uint8 (H, W, 3), all of the same size.

        Raises:
            SourceError: A frame cannot be decoded or has a different size than the previous ones, or the stream ended
                or dropped; the message names the frame (counted from 1) or the image file.
        """
        size = None
        for number, image in enumerate(self._decode() if self._paths is None else self._read(), start=self.skip + 1):
            size = size or image.shape[:2]
            if image.shape[:2] != size:
                name = f'{self.source}: frame {number}' if self._paths is None else self._paths[number - 1]
                raise SourceError(f'{name} is {image.shape[1]}x{image.shape[0]} pixels, but the previous frames are '
                                  f'{size[1]}x{size[0]}; track the two parts separately')
            yield image

    def _read(self) -> Iterator[np.ndarray]:
        for path in self._paths[self.skip:]:
            try:
                yield np.asarray(ImageFile(path))
            except OSError as error:
                raise SourceError(str(error)) from error

    def _decode(self) -> Iterator[np.ndarray]:
        capture, self._capture = self._capture or self._open(), None
        try:
            for number in range(self.skip):
                if not capture.grab():
                    raise SourceError(f'{self.source} has only {number} frames, so none remain after skipping '
                                      f'{self.skip}')
            number = self.skip
            while True:
                success, image = capture.read()
                if not success:
                    return self._check_end(capture, number)
                number += 1
                yield cv2.cvtColor(image, cv2.COLOR_BGR2RGB)
        finally:
            capture.release()

    def _check_end(self, capture: cv2.VideoCapture, number: int) -> None:
        """Raises an error if a video that stopped after ``number`` frames should have more."""
        if self.length is not None and number >= self.skip + self.length:
            return
        if self.is_live:
            raise SourceError(f'{self.source}: the stream ended or dropped after frame {number}')
        if _is_cut_off(self.source):
            raise SourceError(f'{self.source}: frame {number + 1} cannot be decoded; the file is truncated. '
                              'Copy or download it again')
        if any(capture.grab() for _ in range(_RETRIES)):
            raise SourceError(f'{self.source}: frame {number + 1} cannot be decoded; the file is damaged there')
        # Otherwise the header has a wrong number, or counts frames that are not displayed.

    def _find_images(self) -> list[str] | None:
        path = Path(self.source)
        if self.is_live:
            return None
        if path.is_dir():
            if paths := list(FrameFiles.in_folder(path)):
                return paths
            raise FileNotFoundError(f'{path} contains no images')
        if not path.exists() and glob.has_magic(self.source):
            return _images_like(self.source)
        if not path.exists():
            raise FileNotFoundError(f'video, folder or image {path} does not exist (current folder: {Path.cwd()})')
        if path.stat().st_size == 0:
            raise ValueError(f'{path} is empty')
        if path.suffix.lower() != '.gif' and cv2.haveImageReader(self.source):
            # OpenCV would also read the files with the following numbers.
            raise ValueError(f"{path} is a single image; give its folder, or a pattern such as '*{path.suffix}'")
        return None

    def _name(self) -> str:
        if self._paths is not None:
            return Path(self._paths[0]).resolve().parent.name or 'frames'
        if '://' in self.source:
            return 'stream'
        return f'camera{self.source}' if self.source.isdigit() else Path(self.source).stem

    def _open(self) -> cv2.VideoCapture:
        if self.source.isdigit():
            capture, kind = cv2.VideoCapture(int(self.source)), 'camera'
        elif '://' in self.source:
            limit = round(1000 * self._timeout)
            capture, kind = cv2.VideoCapture(self.source, cv2.CAP_ANY, [
                cv2.CAP_PROP_OPEN_TIMEOUT_MSEC, limit, cv2.CAP_PROP_READ_TIMEOUT_MSEC, limit]), 'stream'
        else:
            capture, kind = cv2.VideoCapture(self.source), 'video'
        if not capture.isOpened():
            hint = dict(camera='is it connected and not in use?', stream='is the address right and the sender running?',
                        video='the file is damaged, or not a video')[kind]
            raise OSError(f'{self.source}: OpenCV cannot open this {kind}: {hint}')
        return capture


def _images_like(pattern: str) -> list[str]:
    """Returns the matching files, with frame 10 after frame 9 even if names have no leading zeros."""
    paths = [path for path in glob.glob(pattern, recursive=True) if os.path.isfile(path)]
    if not paths:
        raise FileNotFoundError(f'no file matches the pattern {pattern} (current folder: {Path.cwd()})')
    return sorted(paths, key=lambda path: [int(part) if part.isdecimal() else part for part in _NUMBERS.split(path)])


def _is_cut_off(path: str) -> bool:
    """Returns whether an MP4 or MOV file is shorter than its boxes, which start with their size and type."""
    end, position = os.path.getsize(path), 0
    with open(path, 'rb') as stream:
        while position + 8 <= end:
            stream.seek(position)
            head = stream.read(16)
            if position == 0 and head[4:8] != b'ftyp':
                return False
            size = int.from_bytes(head[8:16] if head[:4] == b'\0\0\0\1' else head[:4], 'big')
            if size < 8:  # 0 means up to the end of the file
                return False
            position += size
    return position > end
