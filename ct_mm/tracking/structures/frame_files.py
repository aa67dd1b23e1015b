"""The image files of a sequence, held as a rule instead of a list where their names follow one."""
from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path

IMAGE_SUFFIXES = ('.jpg', '.jpeg', '.png', '.bmp', '.webp', '.tif', '.tiff')
_LAST_NUMBER = re.compile(r'(?P<head>.*?)(?P<number>\d+)(?P<tail>\D*)', re.DOTALL)


class FrameFiles(Sequence):
    """Paths of the frames of one sequence in order.

    A benchmark has millions of frames, and each worker of a data loader holds the whole list; names that count up by
    one (``00000001.jpg``, ``00000002.jpg``, ... or ``0.jpg``, ``1.jpg``, ...) are therefore kept as their first name
    and their number.

    Args:
        folder: The folder that holds the files.
        names: File names in order.
    """

    def __init__(self, folder: str | os.PathLike, names: Sequence[str]) -> None:
        self.folder = os.fspath(folder)
        self._length = len(names)
        self._names = self._rule(names) or list(names)

    @classmethod
    def in_folder(cls, folder: str | os.PathLike, suffixes: Sequence[str] = IMAGE_SUFFIXES) -> FrameFiles:
        """Lists the images of a folder, frame 10 after frame 9 also where names have no leading zeros.

        Args:
            folder: The folder; what lies in folders below it does not count, nor do hidden files.
            suffixes: Lower-case endings of images.

        Raises:
            FileNotFoundError: There is no such folder.
        """
        if not Path(folder).is_dir():
            raise FileNotFoundError(f'{folder} is not a folder, but should hold the frames of a sequence')
        names = sorted(name for name in os.listdir(folder)
                       if name.lower().endswith(tuple(suffixes)) and not name.startswith('.'))
        # Names of one length sort alike as text and as numbers.
        if len(set(map(len, names))) > 1 and all(os.path.splitext(name)[0].isdecimal() for name in names):
            names.sort(key=lambda name: int(os.path.splitext(name)[0]))
        return cls(folder, names)

    @staticmethod
    def _rule(names: Sequence[str]) -> tuple[str, int, int, str] | None:
        """(head, first number, digits, tail) if the names count up by one, else None."""
        match = _LAST_NUMBER.fullmatch(names[0]) if len(names) else None
        if match is None:
            return None
        head, number, tail = match.group('head', 'number', 'tail')
        # Only a leading zero shows that numbers are padded; `10.jpg` alone may be followed by `9` or `11`.
        digits = len(number) if number.startswith('0') else 1
        rule = head, int(number), digits, tail
        return rule if all(name == FrameFiles._name(rule, i) for i, name in enumerate(names)) else None

    @staticmethod
    def _name(rule: tuple[str, int, int, str], index: int) -> str:
        head, first, digits, tail = rule
        return f'{head}{first + index:0{digits}d}{tail}'

    def __len__(self) -> int:
        return self._length

    def __getitem__(self, index):
        if isinstance(index, slice):
            return FrameFiles(self.folder, [self.name(i) for i in range(*index.indices(len(self)))])
        return os.path.join(self.folder, self.name(index))

    def name(self, index: int) -> str:
        """File name of one frame, without the folder.

        Raises:
            IndexError: There is no such frame.
        """
        position = index + len(self) if index < 0 else index
        if not 0 <= position < len(self):
            raise IndexError(f'{self.folder} has {len(self)} frames, there is no frame {index}')
        return self._names[position] if isinstance(self._names, list) else self._name(self._names, position)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, FrameFiles) and (self.folder, len(self), self._names) == (other.folder, len(
            other), other._names)

    def __repr__(self) -> str:
        return f'FrameFiles({self.folder!r}, {len(self)} frames from {self.name(0) if len(self) else "none"})'

    def to_json(self) -> list:
        """What :meth:`from_json` takes: plain lists, numbers and strings."""
        return [self.folder, self._length, self._names]

    @classmethod
    def from_json(cls, data: list) -> FrameFiles:
        """Undoes :meth:`to_json`."""
        files = cls.__new__(cls)
        folder, length, names = data
        files.folder, files._length = folder, length
        # A rule is (str, int, int, str); a list of names has no number in it.
        is_rule = len(names) == 4 and isinstance(names[1], int)
        files._names = tuple(names) if is_rule else names
        return files
