"""Reading annotations in the XML of Pascal VOC, as ImageNet has them."""
from __future__ import annotations

from pathlib import Path
from xml.parsers import expat

_FIELDS = frozenset(('trackid', 'xmin', 'ymin', 'xmax', 'ymax', 'occluded'))


def read_objects(path: str | Path) -> list[dict[str, str]]:
    """Reads the objects of one image.

    Files from others may declare entities that swell up to fill the memory, or that name other files. The parser is
    Expat itself, since it reports such declarations, and a file that makes one is refused: nothing is ever expanded.
    ``xml.etree.ElementTree`` has no way to refuse them.

    Args:
        path: Path of the XML file.

    Returns:
        ``trackid``, ``xmin``, ``ymin``, ``xmax``, ``ymax`` and ``occluded`` of each object, as far as it has them.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: It is not XML, or declares entities; the message names file and line.
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
