"""Writes checkpoints atomically."""
from __future__ import annotations

import os
import zipfile
from typing import Any

import torch

from ct_mm.engine.whole_file import whole_file


def save_checkpoint(content: Any, path: str | os.PathLike) -> None:
    """Writes a checkpoint under a temporary name and renames it, so that no reader sees a partial file.

    Args:
        content: The object to save.
        path: The file. Missing folders are created.
    """
    with whole_file(path, durable=True) as unfinished, open(unfinished, 'wb') as stream:
        torch.save(content, stream)  # given a path, torch would store its name in the file



def deflate_checkpoint(path: str | os.PathLike) -> None:
    """Compresses a file of ``torch.save`` in place. It loads as before but cannot be memory mapped."""
    with whole_file(path) as smaller, zipfile.ZipFile(path) as archive:
        with zipfile.ZipFile(smaller, 'w', zipfile.ZIP_DEFLATED, compresslevel=9) as deflated:
            for part in archive.infolist():
                deflated.writestr(part.filename, archive.read(part))
