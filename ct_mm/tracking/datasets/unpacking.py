"""What commonly goes wrong when the archives of a benchmark are unpacked."""
from pathlib import Path


def unpacked_too_deep(folder: Path) -> str:
    """The end of an error message if an archive was unpacked into a folder of its own name, else nothing.

    Args:
        folder: Folder of a sequence in which something was not found.
    """
    inner = folder / folder.name
    return f'; the archive was unpacked one folder too deep: move what is in {inner} up' if inner.is_dir() else ''
