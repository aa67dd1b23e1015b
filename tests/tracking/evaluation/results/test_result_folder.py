import json

import numpy as np
import pytest

from ct_mm.tracking.evaluation import ResultFolder

BOXES = np.array([[10, 20, 30, 40], [-5.25, 20.00004, 30.5, 0], [1e4, 0.123456, 7, 8.9999]])
SECONDS = np.array([0.5, 0.025, 0.0251])
FACTS = dict(weights='abc', benchmark='uav123')


def tree(path):
    return sorted(str(file.relative_to(path)) for file in path.rglob('*') if file.is_file())


def test_a_plain_file_is_what_toolkits_read(tmp_path):
    folder = ResultFolder(tmp_path / 'new' / 'uav123')
    assert folder.read('boat', 3) is None and folder.names() == []
    folder.write('boat', BOXES, SECONDS)
    assert folder.file_of('boat').read_text() == ('10.0000,20.0000,30.0000,40.0000\n'
                                                  '-5.2500,20.0000,30.5000,0.0000\n'
                                                  '10000.0000,0.1235,7.0000,8.9999\n')
    np.testing.assert_array_equal(folder.read('boat', 3), np.round(BOXES, 4))
    assert tree(folder.path) == ['boat.txt'] and folder.names() == ['boat']


def test_the_layout_of_got10k_has_a_folder_and_times_for_each_sequence(tmp_path):
    folder = ResultFolder(tmp_path, 'got10k')
    folder.write('GOT-10k_Test_000001', BOXES, SECONDS)
    assert tree(tmp_path) == [f'GOT-10k_Test_000001/GOT-10k_Test_000001_{part}.txt' for part in ('001', 'time')]
    assert (tmp_path / 'GOT-10k_Test_000001' / 'GOT-10k_Test_000001_time.txt').read_text().split() == [
        '0.50000000', '0.02500000', '0.02510000']
    assert ResultFolder.open(tmp_path).layout == 'got10k'
    np.testing.assert_array_equal(folder.read('GOT-10k_Test_000001', 3), np.round(BOXES, 4))


@pytest.mark.parametrize('seconds', [None, SECONDS[:2]])
def test_times_that_the_server_would_miss_are_an_error_before_anything_is_written(tmp_path, seconds):
    with pytest.raises(ValueError, match="'boat'.*seconds of all 3 frames, but got [02]"):
        ResultFolder(tmp_path, 'got10k').write('boat', BOXES, seconds)
    assert not tree(tmp_path)


@pytest.mark.parametrize('separator', [',', '\t', ' ', ', '])
def test_results_of_others_are_read_with_any_separator_and_without_their_times(tmp_path, separator):
    (tmp_path / 'bird.v1.txt').write_text('\n'.join(separator.join(map(str, box)) for box in BOXES))
    (tmp_path / 'bird.v1_time.txt').write_text('0.1\n0.1\n0.1\n')
    (tmp_path / 'race_time.txt').write_text('1,2,3,4\n')
    (tmp_path / '.bird.v1.txt.0.tmp').write_text('1,2')
    folder = ResultFolder.open(tmp_path)
    assert folder.layout == 'plain' and folder.names() == ['bird.v1', 'race_time']
    np.testing.assert_array_equal(folder.read('bird.v1', 3), BOXES)


@pytest.mark.parametrize('text, message', [
    ('1,2,3,4\n1,2,3\n1,2,3,4\n', r'boat.txt:2: .* has 3 numbers'),
    ('1,2,3,4\n1,x,3,4\n1,2,3,4\n', r'boat.txt:2: '),
    ('1,2,3,4\n1,2,3,4\n1,nan,3,4\n', r'boat.txt:3: \[1.0, nan, 3.0, 4.0\] is not a valid box'),
    ('1,2,3,4\n1,2,3,-4\n1,2,inf,4\n', r'boat.txt:2: \[1.0, 2.0, 3.0, -4.0\] is not a valid box'),
    ('1,2,3,4\n', r"boat.txt has 1 rows, but sequence 'boat' has 3 frames"),
    ('', r'boat.txt is empty'),
])
def test_a_damaged_file_is_named_with_its_line(tmp_path, text, message):
    (tmp_path / 'boat.txt').write_text(text)
    with pytest.raises(ValueError, match=message):
        ResultFolder(tmp_path).read('boat', 3)


def test_a_file_of_ours_that_is_cut_anywhere_is_noticed(tmp_path):
    folder = ResultFolder(tmp_path)
    folder.claim(FACTS)
    folder.write('boat', BOXES)
    whole = folder.file_of('boat').read_bytes()
    for length in range(len(whole)):
        folder.file_of('boat').write_bytes(whole[:length])
        with pytest.raises(ValueError, match='boat.txt'):
            folder.read('boat', len(BOXES))


@pytest.mark.parametrize('value', [np.nan, np.inf, -1])
def test_a_broken_track_is_not_written(tmp_path, value):
    boxes = BOXES.copy()
    boxes[1, 3] = value
    with pytest.raises(ValueError, match=r"'boat'.*frame 1 \(0-based\)"):
        ResultFolder(tmp_path).write('boat', boxes)
    assert not tree(tmp_path)


@pytest.mark.parametrize('name', ['', '.hidden', '..', 'a/b', '../a'])
def test_a_name_that_is_no_file_name(tmp_path, name):
    with pytest.raises(ValueError, match='is not a valid name of a sequence'):
        ResultFolder(tmp_path).file_of(name)


def test_an_interrupted_write_leaves_the_old_file_and_is_taken_up_by_the_next(tmp_path, monkeypatch):
    folder = ResultFolder(tmp_path)
    folder.write('boat', BOXES)
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):

        def interrupt(*_):
            raise KeyboardInterrupt

        patch.setattr('os.replace', interrupt)
        folder.write('boat', BOXES + 1)
    assert folder.names() == ['boat']
    np.testing.assert_array_equal(folder.read('boat', 3), np.round(BOXES, 4))
    folder.write('boat', BOXES + 1)
    assert tree(tmp_path) == ['boat.txt']


@pytest.mark.parametrize('layout', ['plain', 'got10k'])
def test_what_a_killed_process_left_is_removed_when_the_folder_is_claimed_again(tmp_path, layout):
    folder = ResultFolder(tmp_path, layout)
    folder.claim(FACTS)
    folder.write('boat', BOXES, SECONDS)
    whole, file = tree(tmp_path), folder.file_of('boat')
    left = file.with_name(f'.{file.name}.{2**40}')  # no process has such a number
    left.touch()
    with pytest.raises(ValueError, match='another tracker'):
        folder.claim(dict(FACTS, weights='xyz'))
    assert left.exists()
    folder.claim(FACTS)
    assert tree(tmp_path) == whole


def test_open_says_what_is_not_there(tmp_path):
    with pytest.raises(FileNotFoundError, match='result folder .*nowhere does not exist'):
        ResultFolder.open(tmp_path / 'nowhere')
    with pytest.raises(ValueError, match='holds no results'):
        ResultFolder.open(tmp_path)
    with pytest.raises(ValueError, match='plain, got10k, not .vot.'):
        ResultFolder(tmp_path, 'vot')


def test_a_folder_belongs_to_one_tracker(tmp_path):
    folder = ResultFolder(tmp_path / 'uav123')
    assert folder.claim(FACTS, notes=dict(device='cpu')) is None
    folder.write('boat', BOXES)
    folder.claim(dict(reversed(FACTS.items())), notes=dict(device='cuda'))
    assert json.loads((folder.path / 'tracker.json').read_text())['notes'] == dict(device='cpu')
    with pytest.raises(ValueError, match=r'uav123 holds .*another tracker.*\n    weights: abc there, xyz now\n.*'
                       r'--results-dir.*--fresh.*uav123\.1'):
        folder.claim(dict(FACTS, weights='xyz'))
    with pytest.raises(ValueError, match='layout: plain there, got10k now'):
        ResultFolder(folder.path, 'got10k').claim(FACTS)


def test_a_fresh_start_keeps_the_old_folder_under_a_number(tmp_path):
    folder = ResultFolder(tmp_path / 'uav123')
    assert folder.claim(FACTS, fresh=True) is None  # nothing to keep
    for number, weights in ((1, 'xyz'), (2, 'uvw')):
        folder.write('boat', BOXES)
        assert folder.claim(dict(FACTS, weights=weights), fresh=True) == tmp_path / f'uav123.{number}'
        assert tree(folder.path) == ['tracker.json']
    assert tree(tmp_path / 'uav123.2') == ['boat.txt', 'tracker.json']


def test_tracks_of_nobody_knows_whom_are_not_taken_over(tmp_path):
    ResultFolder(tmp_path).write('boat', BOXES)
    for layout in ('plain', 'got10k'):
        with pytest.raises(ValueError, match=r'1 tracks \(boat .*no tracker.json'):
            ResultFolder(tmp_path, layout).claim(FACTS)
    (tmp_path / 'tracker.json').write_text('{"facts"')
    with pytest.raises(ValueError, match='tracker.json is damaged'):
        ResultFolder(tmp_path).claim(FACTS)


def test_a_folder_that_cannot_be_made_is_named_with_the_way_out(tmp_path):
    (tmp_path / 'file').write_text('')
    with pytest.raises(OSError, match=r'file/uav123 is not writable \(.*--results-dir'):
        ResultFolder(tmp_path / 'file' / 'uav123').claim(FACTS)
