"""Writes a few images of noise where the shipped configs look for ImageNet, COCO and ADE20K."""
from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np

#: Images of each split, and their size (height, width).
COUNT, SIZE = 4, (160, 200)


def write_toy_data(folder: Path, library: str) -> None:
    """Writes ``data`` for all configs of a library.

    Args:
        folder: The folder from which the training scripts will run.
        library: ``mmpretrain``, ``mmdet`` or ``mmseg``.
    """
    dict(mmpretrain=_imagenet, mmdet=_coco, mmseg=_ade20k)[library](folder / 'data', np.random.default_rng(0))


def _image(path: Path, rng: np.random.Generator) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    coarse = rng.integers(0, 255, (SIZE[0] // 8, SIZE[1] // 8, 3), np.uint8)
    cv2.imwrite(str(path), cv2.resize(coarse, SIZE[::-1], interpolation=cv2.INTER_LINEAR))


def _imagenet(data: Path, rng: np.random.Generator) -> None:
    root = data / 'imagenet'
    (root / 'meta').mkdir(parents=True)
    for split in ('train', 'val'):
        for index in range(COUNT):
            _image(root / split / f'{index}.jpg', rng)
        (root / 'meta' / f'{split}.txt').write_text(''.join(f'{i}.jpg {100 * i}\n' for i in range(COUNT)))


def _coco(data: Path, rng: np.random.Generator) -> None:
    from mmdet.datasets import CocoDataset
    root = data / 'coco'
    (root / 'annotations').mkdir(parents=True)
    categories = [dict(id=i + 1, name=name) for i, name in enumerate(CocoDataset.METAINFO['classes'])]
    for split in ('train2017', 'val2017'):
        images, boxes = [], []
        for index in range(COUNT):
            _image(root / split / f'{index}.jpg', rng)
            images.append(dict(id=index, file_name=f'{index}.jpg', height=SIZE[0], width=SIZE[1]))
            for category, (x, y, w, h) in ((index + 1, (20, 30, 90, 120)), (index + 11, (90, 20, 100, 110))):
                outline = [x, y, x + w, y, x + w, y + h, x, y + h]
                boxes.append(dict(id=len(boxes) + 1, image_id=index, category_id=category, bbox=[x, y, w, h],
                                  area=w * h, iscrowd=0, segmentation=[outline]))
        (root / 'annotations' / f'instances_{split}.json').write_text(
            json.dumps(dict(images=images, annotations=boxes, categories=categories)))


def _ade20k(data: Path, rng: np.random.Generator) -> None:
    root = data / 'ade' / 'ADEChallengeData2016'
    for split in ('training', 'validation'):
        for index in range(COUNT):
            _image(root / 'images' / split / f'{index}.jpg', rng)
            labels = np.repeat(np.repeat(rng.integers(0, 151, (4, 5), np.uint8), 40, 0), 40, 1)
            path = root / 'annotations' / split / f'{index}.png'
            path.parent.mkdir(parents=True, exist_ok=True)
            cv2.imwrite(str(path), labels)
