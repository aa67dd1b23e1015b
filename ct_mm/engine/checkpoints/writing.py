"""Writing checkpoints whole or not at all."""
from __future__ import annotations

import os
import zipfile
from typing import Any

import torch

from ct_mm.engine.whole_file import whole_file


def save_checkpoint(content: Any, path: str | os.PathLike) -> None:
    """Writes a file under a temporary name and renames it, so that no reader ever sees half of it.

    Args:
        content: What to save.
        path: Where; missing folders are made.
    """
    with whole_file(path, durable=True) as unfinished, open(unfinished, 'wb') as stream:
        torch.save(content, stream)  # given a name, torch would write that into the file



def deflate_checkpoint(path: str | os.PathLike) -> None:
    """Compresses a file that ``torch.save`` wrote, in place; it is read as before, but not by memory mapping."""
    with whole_file(path) as smaller, zipfile.ZipFile(path) as archive:
        with zipfile.ZipFile(smaller, 'w', zipfile.ZIP_DEFLATED, compresslevel=9) as deflated:
            for part in archive.infolist():
                deflated.writestr(part.filename, archive.read(part))
