import json
import os
import pickle

import cv2
import numpy as np
import pytest

from ct_mm.registry import DATASETS
from ct_mm.tracking.datasets.benchmarks.sot_coco import SOTCocoDataset

JPEG = cv2.imencode('.jpg', np.zeros((48, 64, 3), np.uint8))[1].tobytes()
OUTLINE = [[10.5, 20.25, 60.0, 20.25, 60.0, 80.0]]


def entry(number, image, box, **other):
    return dict(id=number, image_id=image, bbox=box, iscrowd=0, category_id=1, area=9.5, segmentation=OUTLINE, **other)


ANNOTATIONS = [
    entry(1038967, 9, [1.08, 187.69, 611.59, 285.84]),
    entry(1039564, 9, [311.73, 4.31, 319.28, 50.0]),
    entry(1040001, 25, [10, 10, 51, 50.01]),
    {**entry(900100000025, 25, [0, 0, 300, 300]), 'iscrowd': 1, 'segmentation': dict(counts=[1, 2], size=[48, 64])},
    entry(1040002, 25, [10, 10, 0, 90]),
    entry(1040003, 30, [5, 5, 12, 12]),
]


def write(root, annotations=ANNOTATIONS, photographs='train2017', split='train2017'):
    """The layout of COCO with three photographs."""
    (root / 'annotations').mkdir(parents=True, exist_ok=True)
    (root / photographs).mkdir(parents=True, exist_ok=True)
    images = [dict(id=number, file_name=f'{number:012d}.jpg', height=48, width=64) for number in (9, 25, 30)]
    for image in images:
        (root / photographs / image['file_name']).write_bytes(JPEG)
    content = dict(info={}, licenses=[], images=images, annotations=annotations, categories=[dict(id=1, name='person')])
    (root / 'annotations' / f'instances_{split}.json').write_text(json.dumps(content))


@pytest.fixture
def read(tmp_path):
    """Reads the miniature in ``tmp_path``."""
    return lambda **kwargs: SOTCocoDataset(tmp_path, **{'index_dir': tmp_path / 'index', **kwargs})


def test_objects_are_stills(tmp_path):
    write(tmp_path)
    dataset = DATASETS.build(dict(type='ct_mm.SOTCocoDataset', data_root=str(tmp_path), index_dir=None))
    assert dataset.names == ['000000000009-1038967', '000000000025-1040001'] and dataset.lengths.tolist() == [1, 1]
    still = dataset.get_sequence(0)
    assert still.is_still and len(still) == 1 and still.visible.tolist() == [True] and still.name == dataset.names[0]
    assert still.boxes.tolist() == [[1.08, 187.69, 611.59, 285.84]]
    assert still.frame_name(0) == str(tmp_path / 'train2017/000000000009.jpg') and still[0].shape == (48, 64, 3)
    assert dataset.metainfo['benchmark'] == 'coco' and dataset[1]['data_samples'].image_size == (64, 48)


def test_both_sides_must_be_longer(read, tmp_path):
    write(tmp_path)
    numbers = {size: [name.split('-')[1] for name in read(min_side=size).names] for size in (0, 12, 50.005)}
    assert numbers == {0: ['1038967', '1039564', '1040001', '1040003'], 12: ['1038967', '1039564', '1040001'],
                       50.005: ['1038967', '1040001']}
    with pytest.raises(ValueError, match='no sequence'):
        read(min_side=1000)
    with pytest.raises(ValueError, match='min_side must not be negative'):
        read(min_side=-1)


def test_pairs_are_drawn_from_it(tmp_path):
    write(tmp_path)
    source = DATASETS.build(dict(type='ct_mm.SequencePairs', dataset=dict(type='ct_mm.SOTCocoDataset',
                                                                          data_root=str(tmp_path), index_dir=None)))
    pair = source.draw_pair(np.random.default_rng(0))
    assert pair['source'][0] == pair['source'][1] and pair['source'][0].endswith('.jpg')
    np.testing.assert_array_equal(pair['template']['bbox'], pair['search']['bbox'])


def test_the_annotation_is_read_once(tmp_path, read, monkeypatch):
    write(tmp_path)
    calls = []
    original = json.load
    monkeypatch.setattr(json, 'load', lambda *args, **kwargs: calls.append(1) or original(*args, **kwargs))
    names = read().names
    assert read().names == names and read(min_side=0).names[:1] == names[:1] and len(calls) == 1
    write(tmp_path, ANNOTATIONS[:1])  # another size
    assert read().names == names[:1] and len(calls) == 2
    path = tmp_path / 'annotations/instances_train2017.json'
    os.utime(path, ns=(1, 1))
    assert read().names == names[:1] and len(calls) == 3
    (stored, ) = (tmp_path / 'index').glob('*/objects-*.npy')
    stored.write_bytes(stored.read_bytes()[:-9])
    assert read().names == names[:1] and len(calls) == 4


def test_the_boxes_are_mapped_and_not_sent_to_workers(tmp_path, read):
    write(tmp_path, [entry(number, 9, [0, 0, 60, 60 + number / 1000]) for number in range(3000)])
    dataset = read()
    sent = pickle.dumps(dataset)
    assert len(sent) < 20000  # the rows that are in use; the objects themselves are 48 bytes each
    again = pickle.loads(sent)
    assert again.names[2999] == '000000000009-2999' and again.get_sequence(7).boxes[0, 3] == 60.007
    alone = pickle.loads(pickle.dumps(read(index_dir=None)))
    assert len(alone) == 3000 and alone.get_sequence(7).boxes[0, 3] == 60.007
    assert [still.name for still in dataset.read_unit('instances_train2017.json')] == dataset.names


@pytest.mark.parametrize('split, photographs', [('val2017', 'val2017'), ('train2017', 'images/train2017')])
def test_other_layouts(tmp_path, read, split, photographs):
    write(tmp_path, photographs=photographs, split=split)
    assert read(split=split).get_sequence(0).frame_name(0) == str(tmp_path / photographs / '000000000009.jpg')


@pytest.mark.parametrize('fault, message', [
    (dict(bbox=[1, 2, 3]), r'annotations\[1\] is not a COCO object .*not enough values'),
    (dict(bbox=[1, 2, 3, float('nan')]), r'annotations\[1\] .*not finite'),
    (dict(bbox=None), r'annotations\[1\] '),
    (dict(image_id=77), r'annotations\[1\] .*KeyError\(77\)'),
])
def test_faulty_objects_are_named(tmp_path, read, fault, message):
    write(tmp_path, [ANNOTATIONS[0], {**ANNOTATIONS[1], **fault}])
    with pytest.raises(ValueError, match=rf'instances_train2017\.json: {message}'):
        read()


def test_files_that_are_not_annotations(tmp_path, read):
    write(tmp_path)
    path = tmp_path / 'annotations/instances_train2017.json'
    text = path.read_text()
    for content, message in ((text[:-20], 'not a complete JSON file'), ('[1, 2]', 'not a COCO annotation'),
                             ('{"images": [{}], "annotations": []}', 'each entry of images needs id and file_name')):
        path.write_text(content)
        with pytest.raises(ValueError, match=rf'train2017\.json.*{message}'):
            read()
    assert not list((tmp_path / 'index').glob('*/*.npy'))


def test_missing_files_are_named(tmp_path, read):
    with pytest.raises(FileNotFoundError, match=r'(?s)annotations/instances_train2017\.json is missing.*train2017/'):
        read()
    write(tmp_path)
    (tmp_path / 'train2017/000000000025.jpg').unlink()
    with pytest.raises(FileNotFoundError, match=r'lacks 1 of the 3 photographs with objects, such as 0+25\.jpg'):
        read()
    (tmp_path / 'train2017').rename(tmp_path / 'photos')
    with pytest.raises(FileNotFoundError, match='the photographs of train2017 are missing'):
        read()
    with pytest.raises(FileNotFoundError, match=f'(?s){tmp_path} looks right: set data_root to it'):
        SOTCocoDataset(tmp_path / 'annotations', index_dir=None)
    with pytest.raises(ValueError, match="split='test2017' must be one of train2017"):
        read(split='test2017')
