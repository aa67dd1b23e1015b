"""Writes tracks to text files that survive errors and interruptions."""
from __future__ import annotations

import os
from collections.abc import Sequence
from io import FileIO
from pathlib import Path
from types import TracebackType

import numpy as np


class TrackFiles:
    """Writes the tracks of several targets frame by frame: boxes to ``NAME.txt``, scores to ``scores/NAME.txt``.

    Use it as a context manager. Lines are written immediately to hidden files (``.NAME.txt.PID``), which are renamed
    when the block ends, with or without an error; all files then have the same number of complete lines. If no frame
    was written, no file is created and existing files stay unchanged. A killed process leaves the hidden files behind.

    Args:
        folder: Folder for the files; created if missing.
        names: Names of the targets.

    Raises:
        OSError: When the block is entered: the folder is not writable.
    """

    def __init__(self, folder: str | os.PathLike, names: Sequence[str]) -> None:
        self.folder, self.names, self.frames = Path(folder), list(names), 0
        #: Paths of the boxes and the scores of each target, target by target.
        self.paths = [path for name in self.names
                      for path in (self.folder / f'{name}.txt', self.folder / 'scores' / f'{name}.txt')]
        self._unfinished = [path.with_name(f'.{path.name}.{os.getpid()}') for path in self.paths]
        self._sizes = [0] * len(self.paths)  # bytes after the last whole frame
        self._streams: list[FileIO] = []
        self._made: list[Path] = []  # created folders, inner ones first

    def __enter__(self) -> TrackFiles:
        try:
            for path, unfinished in zip(self.paths, self._unfinished):
                missing = [folder for folder in path.parents if not folder.exists()]
                path.parent.mkdir(parents=True, exist_ok=True)
                self._made = missing + self._made
                if path.is_dir():
                    raise IsADirectoryError(f'{path} is a folder, but a track must be written there')
                self._streams.append(open(unfinished, 'wb', buffering=0))  # write each line immediately
        except OSError:
            self.__exit__(None, None, None)
            raise
        return self

    def write(self, boxes: np.ndarray, scores: np.ndarray) -> None:
        """Adds a frame.

        Args:
            boxes: Boxes (N, 4), xywh in pixels, written with four decimals.
            scores: Scores (N,).

        Raises:
            OSError: Writing failed, for example because the disk is full. The incomplete frame is removed at the end.
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
            os.fsync(stream.fileno())  # otherwise a power failure could leave a name without content
            stream.close()
        for unfinished, path in zip(self._unfinished, self.paths):
            if self.frames:
                os.replace(unfinished, path)
            else:
                unfinished.unlink(missing_ok=True)
        for folder in self._made if not self.frames else ():
            if not any(folder.iterdir()):
                folder.rmdir()
