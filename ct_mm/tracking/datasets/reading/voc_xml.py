"""Reads annotations in the XML format of Pascal VOC, which ImageNet uses."""
from __future__ import annotations

from pathlib import Path
from xml.parsers import expat

_FIELDS = frozenset(('trackid', 'xmin', 'ymin', 'xmax', 'ymax', 'occluded'))


def read_objects(path: str | Path) -> list[dict[str, str]]:
    """Reads the objects of one image.

    An untrusted file may declare entities that expand until memory is full, or that refer to other files. Expat reports
    such declarations, so that this function can reject the file before anything is expanded.
    ``xml.etree.ElementTree`` has no way to reject them.

    Args:
        path: Path of the XML file.

    Returns:
        For each object, a dict with those of ``trackid``, ``xmin``, ``ymin``, ``xmax``, ``ymax`` and ``occluded`` that
        it has.

    Raises:
        FileNotFoundError: The file does not exist.
        ValueError: The file is not XML or declares entities; the message names file and line.
    """
    objects: list[dict[str, str]] = []
    text: list[str] = []
    inside = False

    def start(tag, _attributes):
        nonlocal inside
        text.clear()
        if tag == 'object':
            inside = True
            objects.append({})

    def end(tag):
        nonlocal inside
        if tag == 'object':
            inside = False
        elif inside and tag in _FIELDS:
            objects[-1][tag] = ''.join(text)

    def refuse(*_):
        raise ValueError(f'{path}:{parser.CurrentLineNumber}: the file declares an entity, which no annotation needs')

    parser = expat.ParserCreate()
    parser.buffer_text = True
    parser.StartElementHandler, parser.EndElementHandler = start, end
    parser.CharacterDataHandler = text.append
    parser.EntityDeclHandler = refuse
    try:
        parser.Parse(Path(path).read_bytes(), True)
    except expat.ExpatError as error:
        raise ValueError(f'{path}:{error.lineno}: the file is not XML ({error})') from error
    return objects
