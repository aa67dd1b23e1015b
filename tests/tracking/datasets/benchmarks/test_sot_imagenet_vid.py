import cv2
import numpy as np
import pytest

from ct_mm.registry import DATASETS
from ct_mm.tracking.datasets.benchmarks.sot_imagenet_vid import SOTImageNetVIDDataset

JPEG = cv2.imencode('.jpg', np.zeros((8, 12, 3), np.uint8))[1].tobytes()
VIDEO = 'ILSVRC2015_VID_train_0000/ILSVRC2015_train_00139005'


def xml(*objects):
    """An annotation as in the archive; each object is (track, x, occluded) with a box of 30x40."""
    parts = ''.join(f"""
    <object>
        <trackid>{track}</trackid>
        <name>n02691156</name>
        <bndbox>
            <xmax>{x + 30}</xmax>
            <xmin>{x}</xmin>
            <ymax>60</ymax>
            <ymin>20</ymin>
        </bndbox>
        <occluded>{occluded}</occluded>
        <generated>0</generated>
    </object>""" for track, x, occluded in objects)
    return f"""<annotation>
    <folder>{VIDEO}</folder>
    <filename>000000</filename>
    <source><database>ILSVRC_2015</database></source>
    <size><width>12</width><height>8</height></size>{parts}
</annotation>
"""


def add(root, contents, video=VIDEO, split='train'):
    """A video with one annotation for each frame."""
    frames, annotations = (root / part / 'VID' / split / video for part in ('Data', 'Annotations'))
    frames.mkdir(parents=True)
    annotations.mkdir(parents=True)
    for number, content in enumerate(contents):
        (frames / f'{number:06d}.JPEG').write_bytes(JPEG)
        (annotations / f'{number:06d}.xml').write_text(content)
    return annotations


@pytest.fixture
def read(tmp_path):
    """Reads the miniature in ``tmp_path``."""
    return lambda **kwargs: SOTImageNetVIDDataset(tmp_path, **{'index_dir': None, **kwargs})


def test_one_sequence_for_each_track(tmp_path):
    add(tmp_path, [xml((0, 5, 0)), xml((0, 6, 0), (1, 50, 0)), xml((1, 51, 1), (0, 7, 0)), xml((1, 52, 0)), xml()])
    dataset = DATASETS.build(dict(type='ct_mm.SOTImageNetVIDDataset', data_root=str(tmp_path), index_dir=None))
    assert dataset.names == ['ILSVRC2015_train_00139005-0', 'ILSVRC2015_train_00139005-1']
    assert dataset.lengths.tolist() == [3, 3] and dataset.metainfo['benchmark'] == 'imagenet_vid'
    first, second = map(dataset.get_sequence, range(2))
    assert first.boxes.tolist() == [[5, 20, 30, 40], [6, 20, 30, 40], [7, 20, 30, 40]] and first.visible.all()
    assert second.frame_name(0) == str(tmp_path / f'Data/VID/train/{VIDEO}/000001.JPEG')
    assert second.boxes[:, 0].tolist() == [50, 51, 52] and second.visible.tolist() == [True, False, True]
    assert second[2].shape == (8, 12, 3)


def test_gaps_and_short_tracks(tmp_path, read):
    add(tmp_path, [xml((0, 5, 0), (0, 99, 1)), xml(), xml((2, 9, 0)), xml((0, 8, 1)), xml((0, 9, 0))])
    dataset = read()
    sequence = dataset.get_sequence(0)
    assert dataset.names == ['ILSVRC2015_train_00139005-0'] and len(sequence.frames) == 5
    assert np.isnan(sequence.boxes[1:3]).all() and sequence.boxes[[0, 3, 4], 0].tolist() == [5, 8, 9]
    assert sequence.visible.tolist() == [True, False, False, False, True]


def test_splits_and_changed_files(tmp_path, read):
    add(tmp_path, [xml((0, 5, 0))] * 3)
    add(tmp_path, [xml((0, 5, 0))] * 2, 'ILSVRC2015_VID_train_0001/ILSVRC2015_train_00200000')
    folder = add(tmp_path, [xml((3, 5, 0))] * 4, 'ILSVRC2015_val_00000000', 'val')
    kwargs = dict(index_dir=tmp_path / 'index')
    assert read(split='val', **kwargs).names == ['ILSVRC2015_val_00000000-3']
    assert read(**kwargs).names == ['ILSVRC2015_train_00139005-0', 'ILSVRC2015_train_00200000-0']
    (folder / '000004.xml').write_text(xml((3, 5, 0)))
    (tmp_path / 'Data/VID/val/ILSVRC2015_val_00000000/000004.JPEG').write_bytes(JPEG)
    assert read(split='val', **kwargs).lengths.tolist() == [5]
    add(tmp_path, [xml((0, 5, 0))] * 2, 'ILSVRC2015_VID_train_0001/ILSVRC2015_train_00200001')
    assert read(**kwargs).lengths.tolist() == [3, 2, 2]


@pytest.mark.parametrize('content, message', [
    (xml((0, 5, 0)).replace('<xmin>5</xmin>', ''), r"000001\.xml: an object has no track, box .*KeyError\('xmin'\)"),
    (xml((0, 5, 0)).replace('<xmin>5</xmin>', '<xmin>five</xmin>'), r'000001\.xml: an object has no .*five'),
    (xml((0, 5, 0)).replace('trackid', 'track'), r'000001\.xml: an object has no track'),
    (xml((0, 5, 0))[:-20], r'000001\.xml:\d+: the file is not XML'),
])
def test_faulty_annotations_are_named(tmp_path, read, content, message):
    add(tmp_path, [xml((0, 5, 0)), content, xml((0, 5, 0))])
    with pytest.raises(ValueError, match=message):
        read(test_mode=True)


def test_training_skips_faulty_videos(tmp_path, read):
    folder = add(tmp_path, [xml((0, 5, 0))] * 3)
    add(tmp_path, [xml((0, 5, 0))] * 2, 'ILSVRC2015_VID_train_0001/ILSVRC2015_train_00200000')
    (folder / '000001.xml').unlink()
    assert read().names == ['ILSVRC2015_train_00200000-0']
    with pytest.raises(ValueError, match='has 3 images and .* has 2 annotations'):
        read(test_mode=True)


def test_missing_files_are_named(tmp_path, read):
    (tmp_path / 'ILSVRC2015_VID.tar.gz').touch()
    with pytest.raises(FileNotFoundError, match=r'(?s)VID/train is missing.*000000\.JPEG.*tar\.gz is an archive'):
        read()
    folder = add(tmp_path, [xml((0, 5, 0))] * 3)
    with pytest.raises(FileNotFoundError, match=f'(?s){tmp_path} looks right: set data_root to it'):
        SOTImageNetVIDDataset(tmp_path / 'Data', index_dir=None)
    (tmp_path / f'Data/VID/train/{VIDEO}').rename(tmp_path / 'elsewhere')
    with pytest.raises(FileNotFoundError, match='1 of 1 sequences are missing: ILSVRC2015_VID_train_0000/ILSVRC'):
        read()
    assert folder.is_dir()
