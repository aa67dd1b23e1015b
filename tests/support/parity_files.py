"""Where tests find files of reference numbers."""
import os
from pathlib import Path

import numpy as np

DATA = Path(__file__).resolve().parents[1] / 'data'
#: Most machines do not have this folder.
REFERENCE = Path(os.environ.get('CT_MM_SHARED', DATA.parents[2] / 'shared')) / 'reference'


def parity_files(mark):
    """Files that hold the array ``mark``, which only files of one family have.

    They come from tests/data, from the folder of references, and from the variable CT_MM_PARITY, whose paths are
    separated as in PATH.
    """
    files = {file.name: file for folder in (REFERENCE, DATA) for file in sorted(folder.glob('*.npz'))}
    given = [Path(name) for name in os.environ.get('CT_MM_PARITY', '').split(os.pathsep) if name]
    return [file for file in [*files.values(), *given] if mark in np.load(file).files]
