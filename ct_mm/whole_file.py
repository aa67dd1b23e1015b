"""Files that appear whole under their name or not at all."""
from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def whole_file(path: str | os.PathLike) -> Iterator[Path]:
    """Gives the name to write to; what is there becomes ``path`` if the block ends without an error.

    Args:
        path: The file; missing folders are made, an earlier file is replaced.

    Yields:
        A name in the same folder. After an error nothing of it is left, and an earlier file is as it was.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f'.{path.name}.{os.getpid()}')
    try:
        yield unfinished
        os.replace(unfinished, path)
    finally:
        unfinished.unlink(missing_ok=True)


def write_text(path: str | os.PathLike, text: str) -> Path:
    """Writes a text file in UTF-8, whole or not at all, and returns its path."""
    with whole_file(path) as unfinished:
        unfinished.write_text(text, encoding='utf-8', newline='\n')
    return Path(path)
