import json
import os
import pickle
import time

import numpy as np
import pytest
from clean_process import clean_context, run_together

from ct_mm.tracking.datasets.reading import FrameFiles, FrameSequence
from ct_mm.tracking.datasets.reading.sequence_index import SequenceIndex


class Units:
    """Text files of boxes as units, each with two sequences if its first line is ``two``; counts what is read."""

    def __init__(self, folder):
        self.folder, self.reads = folder, []
        folder.mkdir(exist_ok=True)

    def write(self, name, lengths=(3, ), value=1.0):
        (self.folder / name).write_text(json.dumps(dict(lengths=lengths, value=value)))

    def watch(self, name):
        return [self.folder / name, self.folder / f'{name}.optional']

    def read(self, name):
        self.reads.append(name)
        content = json.loads((self.folder / name).read_text())
        return [
            FrameSequence(f'{name}/{number}', FrameFiles(f'/data/{name}', [f'{i:04d}.jpg' for i in range(length)]),
                          np.full((length, 4), content['value'] + number), attributes=['fast'] if number else None)
            for number, length in enumerate(content['lengths'])
        ]

    def open(self, names, folder, **kwargs):
        self.reads.clear()
        return SequenceIndex(names, self.watch, self.read, folder, **kwargs)


@pytest.fixture
def units(tmp_path):
    made = Units(tmp_path / 'set')
    made.write('a')
    made.write('b', (2, 4), 10.0)
    made.write('c', (5, ), 20.0)
    return made


def assert_as_read(index, units, names):
    expected = [sequence for name in names for sequence in units.read(name)]
    assert index.names == [sequence.name for sequence in expected] and len(index) == len(expected)
    assert index.lengths.tolist() == [len(sequence) for sequence in expected]
    for i, sequence in enumerate(expected):
        found = index[i]
        assert (found.frames, found.attributes) == (sequence.frames, sequence.attributes)
        np.testing.assert_array_equal(found.boxes, sequence.boxes)
        np.testing.assert_array_equal(found.visible, sequence.visible)


def test_the_second_opening_reads_nothing(units, tmp_path):
    first = units.open(['a', 'b', 'c'], tmp_path / 'index')
    assert units.reads == ['a', 'b', 'c']
    assert_as_read(first, units, ['a', 'b', 'c'])
    second = units.open(['a', 'b', 'c'], tmp_path / 'index')
    assert units.reads == []
    assert_as_read(second, units, ['a', 'b', 'c'])


def test_without_a_folder_nothing_is_written(units, tmp_path):
    assert_as_read(units.open(['c', 'a'], None), units, ['c', 'a'])
    assert sorted(path.name for path in tmp_path.iterdir()) == ['set']


def test_only_changed_units_are_read_again(units, tmp_path):
    names = ['a', 'b', 'c']
    units.open(names, tmp_path / 'index')
    units.write('b', (1, 1, 1), 30.0)
    index = units.open(names, tmp_path / 'index')
    assert units.reads == ['b']
    assert_as_read(index, units, names)
    (units.folder / 'a.optional').touch()  # a file that was not there at first
    units.write('d')
    index = units.open([*names, 'd'], tmp_path / 'index')
    assert units.reads == ['a', 'd']
    assert_as_read(index, units, [*names, 'd'])
    assert index._boxes.shape == (sum(index.lengths), 4)  # no rows of earlier versions


def test_only_the_time_of_a_file_or_folder_tells(units, tmp_path):
    frames = tmp_path / 'frames'
    frames.mkdir()
    units.watch = lambda name: [units.folder / name, frames]
    units.open(['a'], tmp_path / 'index')
    status = os.stat(units.folder / 'a')
    units.write('a', value=7.0)
    os.utime(units.folder / 'a', ns=(status.st_atime_ns, status.st_mtime_ns + 1))
    assert units.open(['a'], tmp_path / 'index')[0].boxes[0, 0] == 7 and units.reads == ['a']
    os.utime(frames, ns=(0, 1))
    units.open(['a'], tmp_path / 'index')
    assert units.reads == ['a']


def test_units_that_moved_are_read_again(units, tmp_path):
    units.open(['a'], tmp_path / 'index')
    status = os.stat(units.folder / 'a')
    moved = Units(tmp_path / 'moved')
    moved.write('a', value=8.0)
    os.utime(moved.folder / 'a', ns=(status.st_atime_ns, status.st_mtime_ns))  # the same time and size elsewhere
    assert moved.open(['a'], tmp_path / 'index')[0].boxes[0, 0] == 8


def test_another_choice_of_units_keeps_the_rest(units, tmp_path):
    units.open(['a', 'b'], tmp_path / 'index')
    assert_as_read(units.open(['c', 'a'], tmp_path / 'index'), units, ['c', 'a'])
    index = units.open(['a', 'b', 'c'], tmp_path / 'index')
    assert units.reads == []
    assert_as_read(index, units, ['a', 'b', 'c'])


def test_another_reader_reads_everything_again(units, tmp_path):
    units.open(['a', 'b'], tmp_path / 'index', reader='old')
    units.open(['a', 'b'], tmp_path / 'index', reader='new')
    assert units.reads == ['a', 'b']


def damage_json(text):
    return lambda folder: (folder / 'index.json').write_text(text)


def truncate(name):

    def damage(folder):
        path = next(folder.glob(name))
        path.write_bytes(path.read_bytes()[:-20])

    return damage


def empty(name):
    return lambda folder: next(folder.glob(name)).write_bytes(b'')


def without(key):

    def damage(folder):
        content = json.loads((folder / 'index.json').read_text())
        del content[key]
        (folder / 'index.json').write_text(json.dumps(content))

    return damage


def shorten(folder):
    path = next(folder.glob('boxes-*.npy'))
    np.save(path, np.load(path)[:-1])


@pytest.mark.parametrize('damage', [
    damage_json(''), damage_json('[]'), damage_json('{"version": 2'), damage_json('null'), truncate('index.json'),
    truncate('boxes-*'), truncate('visible-*'), empty('boxes-*'), empty('visible-*'), without('units'),
    without('reader'), without('digest'), shorten, lambda folder: next(folder.glob('visible-*')).unlink()
])
def test_a_damaged_index_is_rebuilt(units, tmp_path, damage):
    folder = tmp_path / 'index'
    units.open(['a', 'b'], folder)
    damage(folder)
    index = units.open(['a', 'b'], folder)
    assert units.reads == ['a', 'b']
    assert_as_read(index, units, ['a', 'b'])
    units.open(['a', 'b'], folder)
    assert units.reads == []


def test_killed_while_writing_it_keeps_the_former_index(units, tmp_path, monkeypatch):
    folder, names, replace = tmp_path / 'index', ['a', 'b'], os.replace
    units.open(names, folder)
    units.write('a', value=9.0)
    for survived in range(3):  # number of the three files that are written
        fates = iter([replace] * survived)

        def write_or_die(*paths, fates=fates):
            fate = next(fates, None)
            if fate is None:
                raise KeyboardInterrupt
            fate(*paths)

        monkeypatch.setattr(os, 'replace', write_or_die)
        with pytest.raises(KeyboardInterrupt):
            units.open(names, folder)
        monkeypatch.setattr(os, 'replace', replace)
        assert_as_read(units.open(['b'], folder), units, ['b'])
        units.open(['b'], folder)
        assert units.reads == []
    assert_as_read(units.open(names, folder), units, names)
    assert sorted(path.suffix for path in folder.iterdir()) == ['', '.json', '.npy', '.npy']  # no leftovers


def test_what_was_read_before_an_error_is_kept(units, tmp_path):
    (units.folder / 'b').write_text('no json')
    with pytest.raises(ValueError):
        units.open(['a', 'b', 'c'], tmp_path / 'index')
    units.write('b')
    assert_as_read(units.open(['a', 'b', 'c'], tmp_path / 'index'), units, ['a', 'b', 'c'])
    units.write('b', value=3.0)
    units.open(['a', 'b', 'c'], tmp_path / 'index')
    assert units.reads == ['b']


def test_unreadable_units_are_skipped_and_tried_again(units, tmp_path):
    (units.folder / 'b').write_text('no json')
    errors = []
    for times in (1, 2):
        index = units.open(['a', 'b', 'c'], tmp_path / 'index', on_error=lambda *args: errors.append(args))
        assert index.names == ['a/0', 'c/0']
        assert [(name, type(error).__name__) for name, error in errors] == [('b', 'JSONDecodeError')] * times
    assert units.reads == ['b']
    units.write('b')
    assert units.open(['a', 'b', 'c'], tmp_path / 'index').names == ['a/0', 'b/0', 'c/0']


def test_a_unit_may_hold_no_sequence(units, tmp_path):
    units.write('a', ())
    for _ in range(2):
        assert len(units.open(['a'], tmp_path / 'index')) == 0
    assert units.reads == []


def test_everything_about_a_sequence_comes_back(tmp_path):
    (tmp_path / 'clip.avi').touch()
    made = [
        FrameSequence('first only', ['/x/1.jpg', '/y/7.jpg'], [[1, 2, 3, 4], [np.nan] * 4], first_box_only=True),
        FrameSequence('still', ['/x/photo.jpg'], [[1, 2, 3, 4]], is_still=True, attributes=[]),
        FrameSequence('clip', tmp_path / 'clip.avi', np.ones((4, 4)), visible=[1, 0, 0, 1], attributes=['a', 'b']),
    ]
    for _ in range(2):
        index = SequenceIndex(['all'], lambda name: [], lambda name: made, tmp_path / 'index')
        for i, sequence in enumerate(made):
            found = index[i]
            assert [found.frame_name(k) for k in range(len(found))] == [
                sequence.frame_name(k) for k in range(len(sequence))]
            for key in ('name', 'attributes', 'first_box_only', 'is_still', 'is_video'):
                assert getattr(found, key) == getattr(sequence, key)
            np.testing.assert_array_equal(found.boxes, sequence.boxes)
            np.testing.assert_array_equal(found.visible, sequence.visible)


def test_processes_map_the_arrays_instead_of_copying_them(units, tmp_path):
    units.write('c', (100000, ))
    opened = units.open(['c'], tmp_path / 'index')
    opened[0].boxes[0] = -1  # each sequence has its own copy
    assert isinstance(opened._boxes, np.memmap) and len(pickle.dumps(opened)) < 2000
    travelled = pickle.loads(pickle.dumps(opened))
    assert_as_read(travelled, units, ['c'])
    kept_nowhere = pickle.loads(pickle.dumps(units.open(['a'], None)))
    assert_as_read(kept_nowhere, units, ['a'])


def test_a_process_keeps_what_another_one_replaces(units, tmp_path):
    before = units.open(['a', 'b'], tmp_path / 'index')
    units.write('a', value=5.0)
    units.open(['a', 'b'], tmp_path / 'index')
    assert before[0].boxes[0, 0] == 1


def open_slowly(folder, barrier):
    """Opens an index together with other processes; writes to a file what it read."""

    def read(name):
        with open(folder / 'reads', 'a') as file:
            file.write(f'{name}\n')
        time.sleep(0.01)
        return [FrameSequence(name, ['0.jpg', '1.jpg'], np.ones((2, 4)))]

    names = [str(i) for i in range(10)]
    barrier.wait()
    index = SequenceIndex(names, lambda name: [], read, folder / 'index')
    assert index.names == names and index[9].boxes.tolist() == [[1] * 4] * 2


def test_concurrent_processes_read_once(tmp_path):
    barrier = clean_context().Barrier(3)
    assert run_together(open_slowly, [(tmp_path, barrier)] * 3) == [0, 0, 0]
    assert sorted((tmp_path / 'reads').read_text().split()) == [str(i) for i in range(10)]


def test_a_folder_that_cannot_be_created(units, tmp_path):
    (tmp_path / 'file').touch()
    with pytest.raises(OSError, match='cannot create the index folder .*set index_dir to another folder, or to None'):
        units.open(['a'], tmp_path / 'file' / 'index')
