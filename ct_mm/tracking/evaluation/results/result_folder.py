"""The tracks of one tracker on one benchmark, as the text files that benchmarks and toolkits exchange."""
from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np

from ct_mm.engine.whole_file import remove_unfinished, write_text
from ct_mm.tracking.datasets.reading.annotation_io import read_numbers

LAYOUTS = ('plain', 'got10k')
_OWNER = 'tracker.json'


class ResultFolder:
    """A text file per sequence: xywh in pixels, one row per frame, the given box first.

    A file is whole or not there at all: it is written under another name and then renamed. So after any interruption
    the files say which sequences are done.

    Args:
        path: The folder; it is made when the first file is written.
        layout: ``'plain'`` for ``NAME.txt``, or ``'got10k'`` for ``NAME/NAME_001.txt`` with the seconds of each frame
            in ``NAME/NAME_time.txt``, as the server of GOT-10k takes them. Default: ``'plain'``.

    Raises:
        ValueError: The layout is unknown.
    """

    def __init__(self, path: str | os.PathLike, layout: str = 'plain') -> None:
        if layout not in LAYOUTS:
            raise ValueError(f'the layout of a result folder must be one of {", ".join(LAYOUTS)}, not {layout!r}')
        self.path, self.layout = Path(path), layout

    @classmethod
    def open(cls, path: str | os.PathLike) -> ResultFolder:
        """Opens a folder that somebody wrote, in the layout it has.

        Raises:
            FileNotFoundError: There is no such folder.
            ValueError: It holds no results in either layout.
        """
        if not Path(path).is_dir():
            raise FileNotFoundError(f'no result folder {path} (seen from {Path.cwd()})')
        for layout in LAYOUTS:
            folder = cls(path, layout)
            if folder.names():
                return folder
        raise ValueError(f'{path} holds no results: neither NAME.txt nor, as for GOT-10k, NAME/NAME_001.txt')

    def __repr__(self) -> str:
        return f'ResultFolder({str(self.path)!r}, layout={self.layout!r})'

    def file_of(self, name: str) -> Path:
        """Where the track of a sequence is or would be.

        Raises:
            ValueError: The name is none for a file.
        """
        if not name or name.startswith('.') or '/' in name or os.sep in name or '\0' in name:
            raise ValueError(f'{name!r} cannot be the name of a sequence: its track is written to a file of that name')
        return self.path / (f'{name}.txt' if self.layout == 'plain' else f'{name}/{name}_001.txt')

    def names(self) -> list[str]:
        """Names of the sequences that are there, sorted; files with times are none."""
        if not self.path.is_dir():
            return []
        if self.layout == 'got10k':
            return sorted(entry.name for entry in self.path.iterdir()
                          if not entry.name.startswith('.') and (entry / f'{entry.name}_001.txt').is_file())
        names = {entry.name[:-len('.txt')] for entry in self.path.iterdir()
                 if entry.name.endswith('.txt') and not entry.name.startswith('.') and entry.is_file()}
        # Other toolkits put NAME_time.txt beside NAME.txt.
        return sorted(name for name in names if not (name.endswith('_time') and name[:-len('_time')] in names))

    def read(self, name: str, length: int) -> np.ndarray | None:
        """Reads one track; columns may be separated by commas, tabs or spaces.

        Args:
            name: Name of the sequence.
            length: Number of its frames.

        Returns:
            (T, 4) float64, xywh in pixels; None if there is no file.

        Raises:
            ValueError: The file is damaged or of another sequence: it has not ``length`` rows of four numbers, or a box
                is not finite or has a negative size; the message names file and line.
        """
        file = self.file_of(name)
        if not file.is_file():
            return None
        boxes = read_numbers(file, columns=4)  # (T, 4)
        if len(boxes) != length:
            raise ValueError(f'{file} has {len(boxes)} rows, but sequence {name!r} has {length} frames')
        frame = _first_broken(boxes)
        if frame is not None:
            raise ValueError(f'{file}:{frame + 1}: {boxes[frame].tolist()} is no box: it must be finite, its width and '
                             'height not negative')
        # A file cut within its last number has all its rows.
        if self.is_claimed and not file.read_bytes().endswith(b'\n'):
            raise ValueError(f'{file}:{length}: the file is cut off in its last line')
        return boxes

    def write(self, name: str, boxes: np.ndarray, seconds: np.ndarray | None = None) -> None:
        """Writes one track with four decimals.

        Args:
            name: Name of the sequence.
            boxes: (T, 4), xywh in pixels.
            seconds: (T,), time of each frame; needed by the layout of GOT-10k, left out by the other.

        Raises:
            ValueError: A box is not finite or has a negative size, or there are not ``seconds`` for every frame; the
                message names the sequence.
        """
        boxes = np.asarray(boxes, dtype=np.float64)
        if boxes.ndim != 2 or boxes.shape[1] != 4 or len(boxes) == 0:
            raise ValueError(f'sequence {name!r}: a track must be (T, 4) with T > 0, but is {boxes.shape}')
        frame = _first_broken(boxes)
        if frame is not None:
            raise ValueError(f'sequence {name!r}: the box predicted in frame {frame} (0-based) is '
                             f'{boxes[frame].tolist()}; it must be finite, its width and height not negative')
        file = self.file_of(name)
        if self.layout == 'got10k':
            if seconds is None or np.shape(seconds) != (len(boxes), ):
                found = 0 if seconds is None else len(seconds)
                raise ValueError(f"sequence {name!r}: GOT-10k's layout needs the seconds of each of the {len(boxes)} "
                                 f'frames, but there are {found}')
            # Before the track, whose presence says that the sequence is done.
            write_text(file.with_name(f'{name}_time.txt'), ''.join(f'{value:.8f}\n' for value in seconds), durable=True)
        write_text(file, ''.join(','.join(f'{value:.4f}' for value in box) + '\n' for box in boxes), durable=True)

    @property
    def is_claimed(self) -> bool:
        """Whether the folder says whose tracks it holds."""
        return (self.path / _OWNER).is_file()

    def claim(self, facts: dict, fresh: bool = False, notes: dict | None = None) -> Path | None:
        """Makes the folder that of one tracker on one benchmark, or checks that it is.

        Args:
            facts: What makes the tracks what they are (weights, model, benchmark ...), plain values by name; kept in
                ``tracker.json``.
            fresh: Whether to start with an empty folder. What is there is kept under the folder's name with a number.
                Default: False.
            notes: What else a reader may want to know, kept with the facts but not compared.

        Returns:
            Where an old folder went if ``fresh`` moved one, else None.

        Raises:
            OSError: The folder cannot be written to.
            ValueError: The folder holds the tracks of another tracker, or of nobody knows whom.
        """
        owner, moved = self.path / _OWNER, None
        if fresh and self.path.is_dir() and any(self.path.iterdir()):
            moved = self._unused_path()
            self.path.rename(moved)
        facts = json.loads(json.dumps(dict(facts, layout=self.layout)))
        if not owner.is_file():
            found = [name for layout in LAYOUTS for name in ResultFolder(self.path, layout).names()]
            if found:
                raise ValueError(f'{self.path} holds {len(found)} tracks ({", ".join(found[:3])} ...), but no {_OWNER} '
                                 f'that says whose. {self._way_out()}')
            content = dict(facts=facts, notes=notes or {})
            try:
                write_text(owner, json.dumps(content, indent=2, sort_keys=True) + '\n', durable=True)
            except OSError as error:
                raise OSError(f'{self.path} cannot be written to ({error}); name another folder for the tracks '
                              '(--results-dir)') from error
            return moved
        try:
            present = json.loads(owner.read_text(encoding='utf-8'))['facts']
        except (ValueError, LookupError, TypeError) as error:
            raise ValueError(f'{owner} is damaged ({error}), so it cannot say whose tracks these are. '
                             f'{self._way_out()}') from error
        if present != facts:
            keys = [key for key in {**present, **facts} if present.get(key) != facts.get(key)]
            differences = '\n'.join(f'    {key}: {present.get(key)} there, {facts.get(key)} now' for key in keys)
            raise ValueError(f'{self.path} holds the tracks of another tracker or benchmark:\n{differences}\n'
                             f'{self._way_out()}')
        for folder in (self.path, *(self.path.glob('*/') if self.layout == 'got10k' else ())):
            remove_unfinished(folder, '*.txt', _OWNER, shared=True)  # left by processes that were killed
        return moved

    def _way_out(self) -> str:
        return (f'Tracks of two trackers are never mixed: name another folder (--results-dir), or start afresh '
                f'(--fresh), which keeps what is there as {self._unused_path()}')

    def _unused_path(self) -> Path:
        path, number = self.path.absolute(), 1
        while path.with_name(f'{path.name}.{number}').exists():
            number += 1
        return path.with_name(f'{path.name}.{number}')


def _first_broken(boxes: np.ndarray) -> int | None:
    broken = ~np.isfinite(boxes).all(axis=1) | (boxes[:, 2:] < 0).any(axis=1)  # (T,)
    return int(np.argmax(broken)) if broken.any() else None
