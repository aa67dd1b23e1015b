"""Archives for the servers."""
import zipfile

import numpy as np
import pytest

from ct_mm.tracking.evaluation.results import submission
from ct_mm.tracking.evaluation.results.result_folder import ResultFolder
from ct_mm.tracking.evaluation.results.submission import Server, pack_submission

LENGTHS = {'GOT-10k_Test_000002': 4, 'GOT-10k_Test_000001': 3}


@pytest.fixture
def small_servers(monkeypatch):
    """The servers, as if their test sets had two sequences."""
    for name, server in submission.SERVERS.items():
        monkeypatch.setitem(submission.SERVERS, name, Server(server.title, 2, server.with_times))


def test_an_archive_for_got10k(small_servers, toy_set, write_results, tmp_path):
    dataset = toy_set(LENGTHS)
    folder = ResultFolder.open(write_results('ours', dataset, 1.25, layout='got10k'))
    assert pack_submission('got10k_test', dataset, folder, tmp_path / 'out' / 'ours.zip') == 7
    with zipfile.ZipFile(tmp_path / 'out' / 'ours.zip') as archive:
        expected = [f'{name}/{name}_{part}.txt' for name in sorted(LENGTHS) for part in ('001', 'time')]
        assert archive.namelist() == expected
        name = 'GOT-10k_Test_000001'
        boxes = np.loadtxt(archive.open(f'{name}/{name}_001.txt'), delimiter=',')
        np.testing.assert_array_equal(boxes, folder.read(name, 3))
        assert archive.read(f'{name}/{name}_time.txt') == b'0.01000000\n' * 3
    assert [path.name for path in (tmp_path / 'out').iterdir()] == ['ours.zip']


def test_an_archive_for_trackingnet(small_servers, toy_set, write_results, tmp_path):
    dataset = toy_set(LENGTHS)
    pack_submission('trackingnet', dataset, ResultFolder(write_results('a', dataset)), tmp_path / 'a.zip')
    with zipfile.ZipFile(tmp_path / 'a.zip') as archive:
        assert archive.namelist() == sorted(f'{name}.txt' for name in LENGTHS)
        assert archive.read('GOT-10k_Test_000001.txt').splitlines()[1] == b'21.0000,30.0000,20.0000,16.0000'


def test_the_same_tracks_make_the_same_archive(small_servers, toy_set, write_results, tmp_path, monkeypatch):
    dataset = toy_set(LENGTHS)
    folder = ResultFolder(write_results('a', dataset))
    pack_submission('trackingnet', dataset, folder, tmp_path / '1.zip')
    monkeypatch.setattr('time.localtime', lambda *_: (2030, 1, 2, 3, 4, 5, 6, 7, 0))
    pack_submission('trackingnet', toy_set(dict(reversed(LENGTHS.items()))), folder, tmp_path / '2.zip')
    assert (tmp_path / '1.zip').read_bytes() == (tmp_path / '2.zip').read_bytes()


def test_all_that_is_missing_or_damaged_is_named(small_servers, toy_set, write_results, tmp_path):
    dataset = toy_set(LENGTHS)
    path = write_results('ours', dataset, names=['GOT-10k_Test_000002'], layout='got10k')
    (path / 'GOT-10k_Test_000002' / 'GOT-10k_Test_000002_time.txt').write_text('0.1\n0.1\n')
    with pytest.raises(ValueError, match=r'(?s)000002_time.txt must hold 4 finite, non-negative times.* holds 2\n'
                                         r'.*no track for 1 of 2 sequences: GOT-10k_Test_000001$'):
        pack_submission('got10k_test', dataset, ResultFolder.open(path), tmp_path / 'ours.zip')
    (path / 'GOT-10k_Test_000002' / 'GOT-10k_Test_000002_time.txt').unlink()
    with pytest.raises(ValueError, match='000002_time.txt is missing'):
        pack_submission('got10k_test', dataset, ResultFolder.open(path), tmp_path / 'ours.zip')
    assert not list(tmp_path.glob('*.zip'))


@pytest.mark.parametrize('row', ['1,2,nan,4', '1,2,3', '1,2,3,-4'])
def test_a_row_that_is_no_box(small_servers, toy_set, write_results, tmp_path, row):
    dataset = toy_set(LENGTHS)
    path = write_results('ours', dataset)
    with open(path / 'GOT-10k_Test_000001.txt', 'w') as stream:
        stream.write('1,2,3,4\n1,2,3,4\n' + row + '\n')
    with pytest.raises(ValueError, match=r'GOT-10k_Test_000001\.txt:3: '):
        pack_submission('trackingnet', dataset, ResultFolder(path), tmp_path / 'ours.zip')
    assert not (tmp_path / 'ours.zip').exists()


def test_the_whole_test_set_is_asked_for(toy_set, write_results, tmp_path):
    dataset = toy_set(LENGTHS)
    folder = ResultFolder(write_results('a', dataset))
    with pytest.raises(ValueError, match='GOT-10k has 180 sequences, but .* has 2'):
        pack_submission('got10k_test', dataset, folder, tmp_path / 'a.zip')
    with pytest.raises(ValueError, match='TrackingNet has 511 sequences'):
        pack_submission('trackingnet', dataset, folder, tmp_path / 'a.zip')
    with pytest.raises(ValueError, match="not for 'lasot'"):
        pack_submission('lasot', dataset, folder, tmp_path / 'a.zip')
    with pytest.raises(ValueError, match='must end in .zip, not a.tar'):
        pack_submission('trackingnet', dataset, folder, tmp_path / 'a.tar')
