"""The rows, library by library. Importing this enters them all; none of the libraries is imported yet."""
from . import mmpretrain, mmdet, networks, tracking  # noqa: I001  (the order of the table)

__all__ = ['mmdet', 'mmpretrain', 'networks', 'tracking']
