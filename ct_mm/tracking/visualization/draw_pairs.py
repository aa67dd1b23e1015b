"""Draws training pairs: the pixels that a tracker is given, and the box that it must find."""
from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePath
from typing import Any

import cv2
import numpy as np
from torch import Tensor

from ct_mm.engine.whole_file import whole_file
from ct_mm.tracking.structures import xyxy_to_xywh
from ct_mm.tracking.visualization.draw_boxes import draw_boxes

_GROUND, _LIGHT = (60, 60, 60), (240, 240, 240)  # a background that differs from the black padding of crops
_GAP, _SIDE = 8, 256  # in pixels: the gap between pictures, and the minimum size of a search region
_FONT, _SCALE, _ROW = cv2.FONT_HERSHEY_SIMPLEX, 0.4, 18


def draw_pair(pair: Mapping[str, Any], title: str = '') -> np.ndarray:
    """Draws a training pair: its templates, its search region with the box, and their sources.

    The picture shows the exact pixels of the pair, repeated if the search region is small.

    Args:
        pair: Output of ``ct_mm.PackTrackInputs``: ``inputs`` with ``template`` and ``search``, RGB uint8 (3, H, W), or
            (N, 3, H, W) for several; ``data_samples`` with ``source`` and ``gt_instances.bboxes`` (1, 4), xyxy in
            pixels of the search region.
        title: First line of the caption.

    Returns:
        The picture, RGB uint8 (H', W', 3).

    Raises:
        ValueError: The argument is not a training pair.
    """
    inputs = pair.get('inputs') if isinstance(pair, Mapping) else None
    if not isinstance(inputs, Mapping) or not {'template', 'search'} <= set(inputs):
        raise ValueError('a training pair from ct_mm.PackTrackInputs has inputs.template and inputs.search, not '
                         f'{_describe(pair)}')
    templates, searches = _images(inputs['template'], 'template'), _images(inputs['search'], 'search')
    sample = pair['data_samples']
    boxes = xyxy_to_xywh(np.asarray(sample.gt_instances.bboxes, np.float64).reshape(-1, 4))  # (1, 4) or one per search
    zoom = max(1, -(-_SIDE // max(searches[0].shape[:2])))
    pictures = [_enlarge(image, zoom) for image in templates]
    for image, box in zip(searches, np.broadcast_to(boxes, (len(searches), 4))):
        pictures.append(draw_boxes(_enlarge(image, zoom), {'target': zoom * box}))
    words = [title, *(_short(name) for name in dict.fromkeys(sample.metainfo.get('source', ())))]
    return _caption(_in_a_row(pictures), [word for word in words if word])


def make_sheet(pictures: Sequence[np.ndarray], columns: int) -> np.ndarray:
    """Arranges pictures in a grid.

    Args:
        pictures: Pictures of any sizes, RGB uint8 (H, W, 3); at least one.
        columns: Number of pictures per row.

    Returns:
        The sheet, RGB uint8 (H', W', 3).
    """
    rows = [_in_a_row(pictures[i:i + columns]) for i in range(0, len(pictures), columns)]
    width = max(row.shape[1] for row in rows)
    return np.concatenate([_pad(row, row.shape[0] + _GAP, width) for row in rows])


def write_image(path: str | os.PathLike, image: np.ndarray) -> Path:
    """Writes an image, RGB uint8 (H, W, 3), atomically to a PNG file and returns the path."""
    _, data = cv2.imencode('.png', cv2.cvtColor(image, cv2.COLOR_RGB2BGR))
    with whole_file(path) as unfinished:
        unfinished.write_bytes(data.tobytes())
    return Path(path)


def show_image(title: str, image: np.ndarray, seconds: float) -> None:
    """Shows an image in a window for some seconds or until a key is pressed; 0 seconds waits only for a key.

    Raises:
        ValueError: There is no screen, or OpenCV was built without windows.
    """
    try:
        cv2.imshow(title, cv2.cvtColor(image, cv2.COLOR_RGB2BGR))
        cv2.waitKey(round(1000 * seconds))
    except cv2.error as error:
        raise ValueError(f'OpenCV cannot open a window here ({error}); view the files instead') from error


def _images(value: Tensor | np.ndarray, name: str) -> list[np.ndarray]:
    """Converts an array (3, H, W) or (N, 3, H, W) to N images (H, W, 3)."""
    value = np.asarray(value)
    if value.ndim not in (3, 4) or value.shape[-3] != 3 or value.dtype != np.uint8:
        raise ValueError(f'the {name} of a training pair must be uint8 (3, H, W) or (N, 3, H, W), not {value.dtype} '
                         f'{value.shape}')
    return list(np.moveaxis(value.reshape(-1, *value.shape[-3:]), 1, -1))


def _enlarge(image: np.ndarray, zoom: int) -> np.ndarray:
    return image.repeat(zoom, axis=0).repeat(zoom, axis=1)


def _pad(image: np.ndarray, height: int, width: int) -> np.ndarray:
    """Pads an image at the right and the bottom with the background."""
    ground = np.full((height, width, 3), _GROUND, np.uint8)
    ground[:image.shape[0], :image.shape[1]] = image
    return ground


def _in_a_row(pictures: Sequence[np.ndarray]) -> np.ndarray:
    height = max(picture.shape[0] for picture in pictures)
    return np.concatenate([_pad(picture, height, picture.shape[1] + _GAP) for picture in pictures], axis=1)


def _caption(image: np.ndarray, lines: Sequence[str]) -> np.ndarray:
    """Adds lines of text below an image; long lines are cut at their beginning."""
    strip = np.full((_ROW * len(lines) + _GAP // 2, image.shape[1], 3), _GROUND, np.uint8)
    for number, line in enumerate(lines):
        while len(line) > 4 and cv2.getTextSize(line, _FONT, _SCALE, 1)[0][0] > image.shape[1] - _GAP:
            line = f'...{line[4:]}' if line.startswith('...') else f'...{line[1:]}'
        cv2.putText(strip, line, (2, _ROW * (number + 1) - 5), _FONT, _SCALE, _LIGHT, 1, cv2.LINE_AA)
    return np.concatenate([image, strip])


def _short(source: str) -> str:
    """Returns the sequence and the file of a path, in letters that OpenCV can draw."""
    parts = [part for part in PurePath(str(source)).parts if part not in ('img', 'imgs')]  # LaSOT, OTB and TNL2K
    return '/'.join(parts[-2:]).encode('ascii', 'replace').decode()


def _describe(item: Any) -> str:
    if not isinstance(item, Mapping):
        return f'a {type(item).__name__}'
    inputs = item.get('inputs')
    return f'inputs with {sorted(map(str, inputs))}' if isinstance(inputs, Mapping) else f'a dict with {sorted(item)}'
