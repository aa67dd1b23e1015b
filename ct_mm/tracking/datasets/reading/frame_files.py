"""The image files of a sequence, stored as a rule instead of a list if their names follow one."""
from __future__ import annotations

import os
import re
from collections.abc import Sequence

IMAGE_SUFFIXES = ('.jpg', '.jpeg', '.png', '.bmp', '.webp', '.tif', '.tiff')
_LAST_NUMBER = re.compile(r'(?P<head>.*?)(?P<number>\d+)(?P<tail>\D*)', re.DOTALL)
_NUMBERS = re.compile(r'(\d+)')


class FrameFiles(Sequence):
    """Paths of the frames of one sequence in order.

    A benchmark has millions of frames, and each worker of a data loader holds the whole list. Names that count up by
    one (``00000001.jpg``, ``00000002.jpg``, ... or ``0.jpg``, ``1.jpg``, ...) are therefore stored only as the first
    name and a count.

    Args:
        folder: The folder that holds the files.
        names: File names in order.

    Examples:
        >>> files = FrameFiles('dog', ['0.jpg', '1.jpg', '2.jpg'])
        >>> len(files), files.name(-1)
        (3, '2.jpg')
    """

    def __init__(self, folder: str | os.PathLike, names: Sequence[str]) -> None:
        self.folder = os.fspath(folder)
        self._length = len(names)
        self._names = self._rule(names) or list(names)

    @classmethod
    def in_folder(cls, folder: str | os.PathLike, suffixes: Sequence[str] = IMAGE_SUFFIXES) -> FrameFiles:
        """Lists the images of a folder; frame 10 follows frame 9 even if names have no leading zeros.

        Args:
            folder: The folder; subfolders and hidden files are ignored.
            suffixes: Image suffixes in lower case; upper case matches, too.

        Raises:
            FileNotFoundError: The folder does not exist.
        """
        names = sorted(cls._images(folder, suffixes))
        if len({len(name) for name in names}) > 1:  # names of equal length sort as text just as they do as numbers
            names.sort(key=lambda name: [int(part) if part.isdecimal() else part for part in _NUMBERS.split(name)])
        return cls(folder, names)

    @classmethod
    def numbered(cls, folder: str | os.PathLike, first: int, digits: int, count: int | None = None) -> FrameFiles:
        """Returns the frames ``first``, ``first + 1``, ... of a benchmark that numbers them; checks that all exist.

        Args:
            folder: The folder of the JPEG files.
            first: Number of the first frame.
            digits: Digits of a name, padded with zeros: 8 for ``00000001.jpg``, 1 for ``0.jpg``.
            count: Number of annotated frames; images after the last of them are ignored. Default: the number of images.

        Raises:
            FileNotFoundError: The folder does not exist, or a frame is missing; the message names it.
        """
        found = set(cls._images(folder, ('.jpg', )))
        if not found:
            raise FileNotFoundError(f'{folder} holds no images, but should hold the frames of a sequence')
        form, length = f'%0{digits}d.jpg', len(found) if count is None else count
        names = [form % number for number in range(first, first + length)]
        if not found.issuperset(names):
            missing = [name for name in names if name not in found]
            raise FileNotFoundError(f'{folder} has no {missing[0]}: {len(missing)} of {length} frames are missing. '
                                    'Unpack or copy the sequence again')
        return cls.from_json([os.fspath(folder), length, ('', first, digits, '.jpg')])

    @staticmethod
    def _images(folder: str | os.PathLike, suffixes: Sequence[str]) -> list[str]:
        try:
            names = os.listdir(folder)
        except (FileNotFoundError, NotADirectoryError) as error:
            raise FileNotFoundError(f'{folder} is not a folder, but should hold the frames of a sequence') from error
        suffixes = tuple(suffixes) + tuple(suffix.upper() for suffix in suffixes)  # faster than lowering each name
        return [name for name in names if name.endswith(suffixes) and name[0] != '.']

    @staticmethod
    def _rule(names: Sequence[str]) -> tuple[str, int, int, str] | None:
        """Returns (head, first number, digits, tail) if the names count up by one, otherwise None."""
        match = _LAST_NUMBER.fullmatch(names[0]) if len(names) else None
        if match is None:
            return None
        head, number, tail = match.group('head', 'number', 'tail')
        # Only a leading zero shows that numbers are padded.
        first, digits = int(number), len(number) if number[0] == '0' else 1
        counted = [f'{head}{number:0{digits}d}{tail}' for number in range(first, first + len(names))]
        return (head, first, digits, tail) if counted == list(names) else None

    def __len__(self) -> int:
        return self._length

    def __getitem__(self, index):
        if isinstance(index, slice):
            return FrameFiles(self.folder, [self.name(i) for i in range(*index.indices(len(self)))])
        return os.path.join(self.folder, self.name(index))

    def name(self, index: int) -> str:
        """Returns the file name of one frame, without the folder.

        Raises:
            IndexError: The frame does not exist.
        """
        position = index + len(self) if index < 0 else index
        if not 0 <= position < len(self):
            raise IndexError(f'{self.folder} has {len(self)} frames, but frame {index} was requested')
        if isinstance(self._names, list):
            return self._names[position]
        head, first, digits, tail = self._names
        return f'{head}{first + position:0{digits}d}{tail}'

    def __eq__(self, other: object) -> bool:
        return isinstance(other, FrameFiles) and self.to_json() == other.to_json()

    def __repr__(self) -> str:
        return f'FrameFiles({self.folder!r}, {len(self)} frames from {self.name(0) if len(self) else "none"})'

    def to_json(self) -> list:
        """Returns what :meth:`from_json` takes: plain lists, numbers and strings."""
        return [self.folder, self._length, self._names]

    @classmethod
    def from_json(cls, data: list) -> FrameFiles:
        """Restores the frames from :meth:`to_json`."""
        files = cls.__new__(cls)
        files.folder, files._length, names = data
        # A rule is (str, int, int, str); a list of names contains no number.
        is_rule = len(names) == 4 and isinstance(names[1], int)
        files._names = tuple(names) if is_rule else names
        return files
