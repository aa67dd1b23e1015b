"""Tracks as text, kept whatever happens."""
from __future__ import annotations

import os
from collections.abc import Sequence
from io import FileIO
from pathlib import Path
from types import TracebackType

import numpy as np


class TrackFiles:
    """Writes the tracks of several targets frame by frame: boxes to ``NAME.txt``, scores to ``scores/NAME.txt``.

    To be used as a context manager. The lines go to hidden files (``.NAME.txt.PID``) at once. These get their names
    when the block ends, with an error or without, so all files have the same number of whole lines. If no frame was
    written, nothing is left and older files are as they were. A process that is killed leaves the hidden files.

    Args:
        folder: Where to; made if it is missing.
        names: Names of the targets.

    Raises:
        OSError: On entering the block: nothing can be written there.
    """

    def __init__(self, folder: str | os.PathLike, names: Sequence[str]) -> None:
        self.folder, self.names, self.frames = Path(folder), list(names), 0
        #: Of each target boxes and scores, one target after the other.
        self.paths = [path for name in self.names
                      for path in (self.folder / f'{name}.txt', self.folder / 'scores' / f'{name}.txt')]
        self._unfinished = [path.with_name(f'.{path.name}.{os.getpid()}') for path in self.paths]
        self._sizes = [0] * len(self.paths)  # bytes after the last whole frame
        self._streams: list[FileIO] = []
        self._made: list[Path] = []  # folders, the inner ones first

    def __enter__(self) -> TrackFiles:
        try:
            for path, unfinished in zip(self.paths, self._unfinished):
                missing = [folder for folder in path.parents if not folder.exists()]
                path.parent.mkdir(parents=True, exist_ok=True)
                self._made = missing + self._made
                if path.is_dir():
                    raise IsADirectoryError(f'{path} is a folder, but a track is to be written there')
                self._streams.append(open(unfinished, 'wb', buffering=0))  # so that each line is in the file at once
        except OSError:
            self.__exit__(None, None, None)
            raise
        return self

    def write(self, boxes: np.ndarray, scores: np.ndarray) -> None:
        """Adds a frame.

        Args:
            boxes: (N, 4) xywh in pixels, written with four decimals.
            scores: (N,).

        Raises:
            OSError: The disk is full, for example. What was written of this frame is taken back at the end.
        """
        rows = []
        for box, score in zip(boxes, scores):
            rows += [','.join(f'{value:.4f}' for value in box), f'{score:.4f}']
        for stream, path, row in zip(self._streams, self.paths, rows):
            line = f'{row}\n'.encode()
            if stream.write(line) != len(line):
                raise OSError(f'{path}: the disk is full')
        self._sizes = [stream.tell() for stream in self._streams]
        self.frames += 1

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 trace: TracebackType | None) -> None:
        for stream, size in zip(self._streams, self._sizes):
            stream.truncate(size)
            os.fsync(stream.fileno())  # or a power failure could leave the name without the content
            stream.close()
        for unfinished, path in zip(self._unfinished, self.paths):
            if self.frames:
                os.replace(unfinished, path)
            else:
                unfinished.unlink(missing_ok=True)
        for folder in self._made if not self.frames else ():
            if not any(folder.iterdir()):
                folder.rmdir()
