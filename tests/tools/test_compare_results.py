"""The script that compares two stored results."""
import pytest

SCRIPT = 'analysis_tools/compare_results.py'


def test_a_comparison_of_real_trackers(run_tool, shared, tmp_path, capsys):
    sequences = shared / 'data' / 'sequences'
    for tracker in ('csrt', 'nanotrack_v2'):
        (tmp_path / tracker).mkdir()
        for file in sequences.glob(f'*/track_{tracker}.txt'):
            (tmp_path / tracker / f'{file.parent.name}.txt').write_text(file.read_text().replace(',', '\t'))
    run_tool(SCRIPT, f'CSRT={tmp_path / "csrt"}', f'Nano={tmp_path / "nanotrack_v2"}', '--data-root', sequences,
             '--out-dir', tmp_path / 'out', '--resamples', 500)
    output = capsys.readouterr().out
    assert '# Nano against CSRT on sequences' in output and 'better on 6, worse on 0' in output
    assert (tmp_path / 'out' / 'comparison.md').read_text() in output
    assert (tmp_path / 'out' / 'comparison.csv').read_text().splitlines()[1].startswith('vot15_bag,196,')


def test_two_trackers_are_needed(run_tool, clip_results, tmp_path, capsys):
    with pytest.raises(SystemExit, match='2'):
        run_tool(SCRIPT, clip_results[0], *clip_results[2:], '--out-dir', tmp_path / 'out')
    assert 'NAME=FOLDER' in capsys.readouterr().err


def test_the_test_set_of_a_config(run_tool, clip_results, tmp_path, capsys):
    run_tool(SCRIPT, *clip_results[:2], '--dataset-config', 'quickstart/tiny_tracker.py', '--score', 'ao', '--out-dir',
             tmp_path / 'out')
    assert 'Difference in ao, bad minus good: **-' in capsys.readouterr().out
