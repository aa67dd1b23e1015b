"""Reading back the tracks of several trackers."""
import numpy as np
import pytest

from ct_mm.tracking.datasets.benchmarks import SequenceFolder
from ct_mm.tracking.evaluation.results.saved_tracks import SavedTracks

LENGTHS = dict(bike1=4, boat1=3, car4=5)


def test_tracks_and_sequences_are_in_one_order(toy_set, write_results):
    dataset = toy_set(LENGTHS)
    folders = dict(a=write_results('a', dataset, 1), b=write_results('b', dataset, 2, layout='got10k'))
    tracks = SavedTracks(dataset, folders, ['car4', 'bike1', 'car4'])
    assert tracks.trackers == ('a', 'b') and [s.name for s in tracks.sequences] == ['car4', 'bike1']
    for sequence, a, b in zip(tracks.sequences, tracks.boxes['a'], tracks.boxes['b']):
        np.testing.assert_array_equal(a[1:, 0], sequence.boxes[1:, 0] + 1)
        np.testing.assert_array_equal(b[1:, 0], sequence.boxes[1:, 0] + 2)


def test_a_missing_track_is_refused_unless_the_common_ones_are_asked_for(toy_set, write_results):
    dataset = toy_set(LENGTHS)
    folders = dict(a=write_results('a', dataset), b=write_results('b', dataset, names=['bike1', 'car4']))
    with pytest.raises(ValueError, match=r'b: .*no track for 1 of 3 sequences: boat1\n.*--common-only') as error:
        SavedTracks(dataset, folders)
    assert 'a: ' not in str(error.value)
    tracks = SavedTracks(dataset, folders, common_only=True)
    assert [s.name for s in tracks.sequences] == ['bike1', 'car4'] and tracks.left_out == dict(boat1=['b'])
    with pytest.raises(ValueError, match='no sequence for which all of a, b have'):
        SavedTracks(dataset, folders, ['boat1'], common_only=True)


def test_other_names_of_the_same_sequences_are_a_pattern(toy_set, write_results):
    dataset = toy_set(LENGTHS)
    folder = write_results('raw', dataset, 3)
    for name in LENGTHS:
        (folder / f'{name}.txt').rename(folder / f'uav_{name}.txt')
    with pytest.raises(ValueError, match=r'raw has no track for 3 .*uav_bike1.*give the folder as .*raw/uav_\{\}'):
        SavedTracks(dataset, dict(raw=folder))
    for pattern in ('uav_{}', 'uav_{}.txt'):
        tracks = SavedTracks(dataset, dict(raw=folder / pattern))
        assert tracks.boxes['raw'][1][1, 0] == 24


@pytest.mark.parametrize('text, message', [
    ('1,2,3,4\n' * 5, 'a: .*bike1.txt has 5 rows, but .* 4 frames'),
    ('1 2 3 4\n' * 3 + '1 2 nan 4\n', r'a: .*bike1.txt:4: .*is not a valid box'),
    ('1\t2\t3\t4\n' * 3 + '1\t2\t3\n', r'a: .*bike1.txt:4: .*3 numbers'),
])
def test_a_damaged_file_is_named(toy_set, write_results, text, message):
    dataset = toy_set(LENGTHS)
    folder = write_results('a', dataset)
    (folder / 'bike1.txt').write_text(text)
    with pytest.raises(ValueError, match=message):
        SavedTracks(dataset, dict(a=folder))


def test_an_unknown_sequence_and_an_empty_folder(toy_set, write_results, tmp_path):
    dataset = toy_set(LENGTHS)
    with pytest.raises(ValueError, match="no sequence 'bik1'; similar names: bike1"):
        SavedTracks(dataset, dict(a=write_results('a', dataset)), ['bik1'])
    with pytest.raises(FileNotFoundError, match='nowhere'):
        SavedTracks(dataset, dict(a=tmp_path / 'nowhere'))


@pytest.mark.parametrize('separator', ['\t', ' '])
def test_released_results_are_read_in_their_own_separators(shared, tmp_path, separator):
    dataset = SequenceFolder(shared / 'data' / 'sequences')
    for name in dataset.names:
        text = (shared / 'data' / 'sequences' / name / 'track_csrt.txt').read_text()
        (tmp_path / f'{name}.txt').write_text(text.replace(',', separator))
        (tmp_path / f'{name}_time.txt').write_text('0.01\n')
    tracks = SavedTracks(dataset, dict(csrt=tmp_path))
    for sequence, boxes in zip(tracks.sequences, tracks.boxes['csrt']):
        expected = np.loadtxt(shared / 'data' / 'sequences' / sequence.name / 'track_csrt.txt', delimiter=',')
        np.testing.assert_array_equal(boxes, expected)
