"""Stores the tracks of one tracker on one benchmark in the text files that toolkits exchange."""
from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np

from ct_mm.engine.whole_file import remove_unfinished, write_text
from ct_mm.tracking.datasets.reading.annotation_io import read_numbers
from ct_mm.tracking.evaluation.scoring.tracks import is_broken

LAYOUTS = ('plain', 'got10k')
_OWNER = 'tracker.json'


class ResultFolder:
    """A folder with a text file per sequence: xywh in pixels, one row per frame, the given box first.

    Files are written under a temporary name and then renamed, so that a file is always complete. After an interruption,
    the existing files therefore show which sequences are done.

    Args:
        path: Path of the folder; it is created with the first file.
        layout: ``'plain'`` for ``NAME.txt``, or ``'got10k'`` for ``NAME/NAME_001.txt`` with the seconds of each frame
            in ``NAME/NAME_time.txt``, as GOT-10k's server requires. Default: ``'plain'``.

    Raises:
        ValueError: The layout is unknown.

    Examples:
        >>> import tempfile
        >>> folder = ResultFolder(tempfile.mkdtemp())
        >>> folder.write('walk', np.array([[10., 20, 30, 40], [11, 20, 30, 40]]))
        >>> folder.names(), folder.read('walk', length=2).shape
        (['walk'], (2, 4))
    """

    def __init__(self, path: str | os.PathLike, layout: str = 'plain') -> None:
        if layout not in LAYOUTS:
            raise ValueError(f'the layout of a result folder must be one of {", ".join(LAYOUTS)}, not {layout!r}')
        self.path, self.layout = Path(path), layout

    @classmethod
    def open(cls, path: str | os.PathLike) -> ResultFolder:
        """Opens an existing folder and detects its layout.

        Raises:
            FileNotFoundError: The folder does not exist.
            ValueError: The folder holds no results in any layout.
        """
        if not Path(path).is_dir():
            raise FileNotFoundError(f'result folder {path} does not exist (current folder: {Path.cwd()})')
        for layout in LAYOUTS:
            folder = cls(path, layout)
            if folder.names():
                return folder
        raise ValueError(f'{path} holds no results: neither NAME.txt nor, as for GOT-10k, NAME/NAME_001.txt')

    def __repr__(self) -> str:
        return f'ResultFolder({str(self.path)!r}, layout={self.layout!r})'

    def file_of(self, name: str) -> Path:
        """Returns the path of the track of a sequence, whether or not it exists.

        Raises:
            ValueError: The name cannot be used as a file name.
        """
        if not name or name.startswith('.') or '/' in name or os.sep in name or '\0' in name:
            raise ValueError(f'{name!r} is not a valid name of a sequence: the track goes to a file with this name')
        return self.path / (f'{name}.txt' if self.layout == 'plain' else f'{name}/{name}_001.txt')

    def names(self) -> list[str]:
        """Returns the sorted names of the sequences with a track; files with times do not count."""
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
        """Reads one track, with columns separated by commas, tabs or spaces.

        Args:
            name: Name of the sequence.
            length: Number of frames of the sequence.

        Returns:
            Boxes (T, 4) float64, xywh in pixels; None if there is no file.

        Raises:
            ValueError: The file is damaged or belongs to another sequence: it does not have ``length`` rows of four
                numbers, or a box is not finite or has a negative size; the message names the file and the line.
        """
        file = self.file_of(name)
        if not file.is_file():
            return None
        boxes = read_numbers(file, columns=4)  # (T, 4)
        if len(boxes) != length:
            raise ValueError(f'{file} has {len(boxes)} rows, but sequence {name!r} has {length} frames')
        frame = next(iter(np.flatnonzero(is_broken(boxes))), None)
        if frame is not None:
            raise ValueError(f'{file}:{frame + 1}: {boxes[frame].tolist()} is not a valid box: it must be finite with '
                             'a non-negative width and height')
        # A file that is cut within its last number still has all rows.
        if self.is_claimed and not file.read_bytes().endswith(b'\n'):
            raise ValueError(f'{file}:{length}: the file is cut off in its last line')
        return boxes

    def write(self, name: str, boxes: np.ndarray, seconds: np.ndarray | None = None) -> None:
        """Writes one track with four decimals.

        Args:
            name: Name of the sequence.
            boxes: (T, 4), xywh in pixels.
            seconds: Time of each frame, (T,); required by the layout ``'got10k'``, ignored by ``'plain'``.

        Raises:
            ValueError: A box is not finite or has a negative size, or ``seconds`` are missing for some frames; the
                message names the sequence.
        """
        boxes = np.asarray(boxes, dtype=np.float64)
        if boxes.ndim != 2 or boxes.shape[1] != 4 or len(boxes) == 0:
            raise ValueError(f'sequence {name!r}: a track must be (T, 4) with T > 0, but is {boxes.shape}')
        frame = next(iter(np.flatnonzero(is_broken(boxes))), None)
        if frame is not None:
            raise ValueError(f'sequence {name!r}: the box predicted in frame {frame} (0-based) is '
                             f'{boxes[frame].tolist()}; it must be finite with a non-negative width and height')
        file = self.file_of(name)
        if self.layout == 'got10k':
            if seconds is None or np.shape(seconds) != (len(boxes), ):
                found = 0 if seconds is None else len(seconds)
                raise ValueError(f"sequence {name!r}: GOT-10k's layout needs the seconds of all {len(boxes)} frames, "
                                 f'but got {found}')
            # Written before the track, which marks the sequence as done.
            write_text(file.with_name(f'{name}_time.txt'), ''.join(f'{value:.8f}\n' for value in seconds), durable=True)
        write_text(file, ''.join(','.join(f'{value:.4f}' for value in box) + '\n' for box in boxes), durable=True)

    @property
    def is_claimed(self) -> bool:
        """Whether the folder records whose tracks it holds."""
        return (self.path / _OWNER).is_file()

    def claim(self, facts: dict, fresh: bool = False, notes: dict | None = None) -> Path | None:
        """Claims the folder for one tracker on one benchmark, or checks that it is already theirs.

        Args:
            facts: Plain values that identify the tracks (weights, model, benchmark ...), stored in ``tracker.json``.
            fresh: Whether to start with an empty folder and rename the existing one with a number. Default: False.
            notes: Further information for readers, stored with the facts but not compared.

        Returns:
            The new path of the existing folder if ``fresh`` renamed it, otherwise None.

        Raises:
            OSError: The folder is not writable.
            ValueError: The folder holds the tracks of another or of an unknown tracker.
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
                                 f'that records their tracker. {self._way_out()}')
            content = dict(facts=facts, notes=notes or {})
            try:
                write_text(owner, json.dumps(content, indent=2, sort_keys=True) + '\n', durable=True)
            except OSError as error:
                raise OSError(f'{self.path} is not writable ({error}); choose another folder for the tracks '
                              '(--results-dir)') from error
            return moved
        try:
            present = json.loads(owner.read_text(encoding='utf-8'))['facts']
        except (ValueError, LookupError, TypeError) as error:
            raise ValueError(f'{owner} is damaged ({error}), so the owner of the tracks is unknown. '
                             f'{self._way_out()}') from error
        if present != facts:
            keys = [key for key in {**present, **facts} if present.get(key) != facts.get(key)]
            differences = '\n'.join(f'    {key}: {present.get(key)} there, {facts.get(key)} now' for key in keys)
            raise ValueError(f'{self.path} holds the tracks of another tracker or benchmark:\n{differences}\n'
                             f'{self._way_out()}')
        for folder in (self.path, *(self.path.glob('*/') if self.layout == 'got10k' else ())):
            remove_unfinished(folder, '*.txt', _OWNER, shared=True)  # left by killed processes
        return moved

    def _way_out(self) -> str:
        return (f'Tracks of two trackers are never mixed: choose another folder (--results-dir), or start '
                f'over (--fresh), which keeps the old folder as {self._unused_path()}')

    def _unused_path(self) -> Path:
        path, number = self.path.absolute(), 1
        while path.with_name(f'{path.name}.{number}').exists():
            number += 1
        return path.with_name(f'{path.name}.{number}')
