"""Tracks of several objects become sequences that the reader of one's own sequences reads."""
import importlib.util
import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from ct_mm.tracking.datasets.benchmarks import SequenceFolder

SCRIPT = Path(__file__).resolve().parents[2] / 'tools' / 'dataset_converters' / 'mot_to_sequences.py'


@pytest.fixture(scope='module')
def main():
    spec = importlib.util.spec_from_file_location('mot_to_sequences', SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.main


def frames(folder, count=4):
    folder.mkdir(parents=True)
    for index in range(count):
        cv2.imwrite(str(folder / f'{index + 1:06d}.jpg'), np.full((48, 64, 3), 40 * index, np.uint8))


@pytest.fixture
def mot(tmp_path):
    frames(tmp_path / 'mot' / 'street' / 'img1')
    truth = tmp_path / 'mot' / 'street' / 'gt' / 'gt.txt'
    truth.parent.mkdir()
    truth.write_text('1,7,1,2,10,12,1,1,1\n2,7,2,2,10,12,1,1,1\n4,7,4,2,10,12.5,1,1,0.3\n'  # not seen in frame 3
                     '3,8,5,5,9,9,1,1,1\n4,8,6,5,9,9,1,1,1\n2,9,1,1,5,5,0,1,1\n3,9,1,1,5,5,0,1,1\n')
    return truth


def check(out):
    dataset = SequenceFolder(out)
    assert dataset.names == ['street_7', 'street_8']
    first, second = (dataset.get_sequence(index) for index in range(2))
    assert first.visible.tolist() == [True, True, False, True] and len(second) == 2
    assert first.boxes[[0, 1, 3]].tolist() == [[1, 2, 10, 12], [2, 2, 10, 12], [4, 2, 10, 12.5]]
    assert [int(image.mean().round()) for image in second] == [80, 120]  # its own frames, from its first box on


def test_mot(main, mot, tmp_path, capsys):
    main([str(mot.parents[2]), str(tmp_path / 'out'), '--min-frames', '2'])
    assert capsys.readouterr().out.startswith('2 sequences are in ')
    check(tmp_path / 'out')
    main([str(mot.parents[1]), str(tmp_path / 'out'), '--min-frames', '2'])  # one folder; what exists is kept
    check(tmp_path / 'out')


@pytest.fixture
def coco(tmp_path):
    frames(tmp_path / 'frames')
    images = [dict(id=10 + index, video_id=1, frame_id=index, file_name=f'{index + 1:06d}.jpg') for index in range(4)]
    boxes = {7: {0: [1, 2, 10, 12], 1: [2, 2, 10, 12], 3: [4, 2, 10, 12.5]}, 8: {2: [5, 5, 9, 9], 3: [6, 5, 9, 9]}}
    annotations = [dict(image_id=10 + index, track_id=track, bbox=box)
                   for track, by_frame in boxes.items() for index, box in by_frame.items()]
    return dict(videos=[dict(id=1, name='videos/street')], images=images[::-1], annotations=annotations)


def test_coco_video(main, coco, tmp_path):
    (tmp_path / 'a.json').write_text(json.dumps(coco))
    main([str(tmp_path / 'a.json'), str(tmp_path / 'out'), '--images', str(tmp_path / 'frames'), '--min-frames', '2'])
    check(tmp_path / 'out')


def test_a_name_in_the_file_leads_nowhere_else(main, coco, tmp_path):
    for entry in coco['annotations']:
        entry['track_id'] = '../../escaped'
    (tmp_path / 'a.json').write_text(json.dumps(coco))
    main([str(tmp_path / 'a.json'), str(tmp_path / 'x' / 'out'), '--images', str(tmp_path / 'frames'),
          '--min-frames', '2'])
    assert [path.name for path in (tmp_path / 'x' / 'out').iterdir()] == ['street_.._.._escaped']


@pytest.mark.parametrize('line, words', [('1,7,1,2,10', "gt.txt:8: '1,7,1,2,10' needs"),
                                         ('9,7,1,2,10,12,1', 'a frame from 1 to 4'),
                                         ('a,b', 'is not a row of frame,id')])
def test_a_wrong_line_is_named(main, mot, tmp_path, line, words):
    mot.write_text(mot.read_text() + line + '\n')
    with pytest.raises(SystemExit) as error:
        main([str(mot.parents[2]), str(tmp_path / 'out')])
    assert words in str(error.value) and str(error.value).startswith('error: ')


@pytest.mark.parametrize('content', ['{}', '[]', 'no json', '{"videos": [{"id": 1}]}'])
def test_a_file_of_another_kind_is_named(main, tmp_path, content):
    (tmp_path / 'a.json').write_text(content)
    with pytest.raises(SystemExit, match='a.json is not a COCO file of videos'):
        main([str(tmp_path / 'a.json'), str(tmp_path / 'out')])


def test_nothing_to_convert_is_an_error(main, mot, tmp_path):
    with pytest.raises(SystemExit, match='has 2 tracks, none of them with 10 boxes'):
        main([str(mot.parents[2]), str(tmp_path / 'out')])
    with pytest.raises(SystemExit, match='holds no gt/gt.txt'):
        main([str(tmp_path), str(tmp_path / 'out')])
