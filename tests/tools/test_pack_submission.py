"""The script that packs tracks for a server, on test sets as their readers find them."""
import zipfile

import pytest

SCRIPT = 'pack_submission.py'
TRACK = '1,2,3,4\n5,6,7,8\n'


@pytest.fixture
def make_test_set(tmp_path, monkeypatch):
    """Makes a whole test set of sequences of two frames, and a track of each; returns names and folder of tracks."""
    monkeypatch.chdir(tmp_path)

    def write(path, text=''):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def got10k_test():
        names, root = [f'GOT-10k_Test_{i:06d}' for i in range(1, 181)], tmp_path / 'data/got10k/test'
        write(root / 'list.txt', '\n'.join(names))
        for name in names:
            write(root / name / 'groundtruth.txt', '1,2,3,4\n')
            write(root / name / '00000001.jpg')
            write(root / name / '00000002.jpg')
            write(tmp_path / 'tracks' / name / f'{name}_001.txt', TRACK)
            write(tmp_path / 'tracks' / name / f'{name}_time.txt', '0\n0.02\n')
        return names, tmp_path / 'tracks'

    def trackingnet():
        names, root = [f'{i:03d}-xyz_0' for i in range(511)], tmp_path / 'data/trackingnet/TEST'
        for name in names:
            write(root / 'anno' / f'{name}.txt', '1,2,3,4\n')
            write(root / 'frames' / name / '0.jpg')
            write(root / 'frames' / name / '1.jpg')
            write(tmp_path / 'tracks' / f'{name}.txt', TRACK)
        return names, tmp_path / 'tracks'

    return lambda benchmark: dict(got10k_test=got10k_test, trackingnet=trackingnet)[benchmark]()


@pytest.mark.parametrize('benchmark, track, files', [('got10k_test', '{0}/{0}_001.txt', 360),
                                                     ('trackingnet', '{0}.txt', 511)])
def test_only_a_whole_test_set_is_packed(run_tool, make_test_set, tmp_path, capsys, benchmark, track, files):
    names, tracks = make_test_set(benchmark)
    missing = tracks / track.format(names[7])
    missing.unlink()
    with pytest.raises(SystemExit, match='2'):
        run_tool(SCRIPT, benchmark, tracks, '--out', tmp_path / 'ours.zip')
    assert f'has no track for 1 of {len(names)} sequences: {names[7]}\n' in capsys.readouterr().err
    assert not (tmp_path / 'ours.zip').exists()
    missing.write_text(TRACK)
    run_tool(SCRIPT, benchmark, tracks, '--out', tmp_path / 'ours.zip')
    with zipfile.ZipFile(tmp_path / 'ours.zip') as archive:
        assert len(archive.namelist()) == files and archive.testzip() is None
    assert f'{len(names)} sequences, {2 * len(names)} frames' in capsys.readouterr().out
