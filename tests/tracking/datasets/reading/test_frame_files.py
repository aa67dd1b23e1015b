import json
import pickle
import sys

import pytest

from ct_mm.tracking.datasets.reading import FrameFiles


def make_files(folder, names):
    folder.mkdir(exist_ok=True)
    for name in names:
        (folder / name).touch()
    return folder


@pytest.mark.parametrize('names', [
    ['00000001.jpg', '00000002.jpg', '00000003.jpg'],
    [f'{number}.jpg' for number in range(12)],
    [f'{number}.jpg' for number in range(8, 12)],
    [f'{number:04d}.png' for number in range(9998, 10002)],
    [f'img{number:05d}x.jpg' for number in range(7, 11)],
    ['2021-05-09.jpg', '2021-05-10.jpg'],
    ['0.jpg'],
    ['10.jpg'],
])
def test_consecutive_names_are_stored_as_a_rule(names):
    files = FrameFiles('clip', names)
    assert [files.name(i) for i in range(len(files))] == names
    assert [*files] == [f'clip/{name}' for name in names]
    assert not isinstance(files.to_json()[2], list)
    assert FrameFiles.from_json(json.loads(json.dumps(files.to_json()))) == files


@pytest.mark.parametrize('names', [
    ['00000001.jpg', '00000003.jpg'],  # a hole
    ['1.jpg', '2.jpg', '3.png'],
    ['3.jpg', '2.jpg', '1.jpg'],
    ['09.jpg', '010.jpg'],
    ['first.jpg', 'second.jpg'],
    ['a1.jpg', 'b2.jpg', 'c3.jpg', 'd4.jpg'],  # four names, as a rule has four parts
    ['٣.jpg', '٤.jpg'],  # digits, but not those that counting gives
    [],
])
def test_other_names_are_stored_as_a_list(names):
    files = FrameFiles('clip', names)
    assert [files.name(i) for i in range(len(files))] == names and len(files) == len(names)
    assert isinstance(files.to_json()[2], list)
    assert FrameFiles.from_json(json.loads(json.dumps(files.to_json()))) == files


def test_it_is_a_sequence_of_paths():
    files = FrameFiles('/data/clip', [f'{number:03d}.jpg' for number in range(5, 15)])
    assert len(files) == 10 and files[0] == '/data/clip/005.jpg' and files[-1] == '/data/clip/014.jpg'
    assert files[2:9:3] == FrameFiles('/data/clip', ['007.jpg', '010.jpg', '013.jpg'])
    assert list(files[8:]) == ['/data/clip/013.jpg', '/data/clip/014.jpg'] and len(files[20:]) == 0
    assert '/data/clip/009.jpg' in files and files != FrameFiles('/data/other', ['005.jpg'])
    for wrong in (10, -11):
        with pytest.raises(IndexError, match=f'10 frames, but frame {wrong} was requested'):
            files[wrong]


def test_a_long_sequence_is_small():
    names = [f'{number:08d}.jpg' for number in range(1, 20001)]
    assert len(pickle.dumps(FrameFiles('clip', names))) < 300 < sys.getsizeof(names)


@pytest.mark.parametrize('names', [
    ['9.jpg', '10.jpg', '100.jpg'],
    ['frame9.jpg', 'frame10.jpg', 'frame11.jpg'],
    ['img9999.jpg', 'img10000.jpg'],
    ['a.jpg', 'b9a.png', 'b10.jpg'],
    ['1.JPG', '2.jpeg', '10.bmp'],
])
def test_frame_ten_follows_frame_nine(tmp_path, names):
    make_files(tmp_path, [*reversed(names), 'notes.txt', '.3.jpg', '._1.jpg'])
    (tmp_path / 'inner').mkdir()
    found = FrameFiles.in_folder(tmp_path)
    assert [found.name(i) for i in range(len(found))] == names


def test_numbered_frames(tmp_path):
    make_files(tmp_path, [f'{number}.jpg' for number in range(12)] + ['Thumbs.db'])
    assert FrameFiles.numbered(tmp_path, 0, 1) == FrameFiles.in_folder(tmp_path)
    assert FrameFiles.numbered(tmp_path, 0, 1, count=10)[-1] == str(tmp_path / '9.jpg')
    with pytest.raises(FileNotFoundError, match=r'has no 12\.jpg: 2 of 14 frames are missing'):
        FrameFiles.numbered(tmp_path, 0, 1, count=14)
    (tmp_path / '7.jpg').unlink()
    with pytest.raises(FileNotFoundError, match=r'has no 7\.jpg: 1 of 11 frames'):
        FrameFiles.numbered(tmp_path, 0, 1)
    with pytest.raises(FileNotFoundError, match=r'has no 00000001\.jpg: 3 of 3'):
        FrameFiles.numbered(tmp_path, 1, 8, count=3)


def test_a_folder_that_is_missing_or_empty(tmp_path):
    for read in (FrameFiles.in_folder, lambda folder: FrameFiles.numbered(folder, 1, 8)):
        with pytest.raises(FileNotFoundError, match='gone is not a folder, but should hold the frames'):
            read(tmp_path / 'gone')
    assert len(FrameFiles.in_folder(tmp_path)) == 0
    with pytest.raises(FileNotFoundError, match='holds no images'):
        FrameFiles.numbered(tmp_path, 1, 8)
