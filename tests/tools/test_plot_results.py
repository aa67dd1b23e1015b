"""The script that plots stored results."""
import pytest

SCRIPT = 'analysis_tools/plot_results.py'


def test_plots_and_tables(run_tool, clip_results, tmp_path, capsys):
    run_tool(SCRIPT, *clip_results, '--out-dir', tmp_path / 'out')
    plots = {f'{name}.{suffix}' for name in ('success', 'precision', 'norm_precision') for suffix in ('png', 'pdf')}
    files = {file.name for file in (tmp_path / 'out').iterdir()}
    assert files == {*plots, 'report.md', 'scores.csv', 'sequences.csv'}
    output = capsys.readouterr().out
    assert output.index('| good') < output.index('| bad') and str(tmp_path / 'out' / 'report.md') in output
    report = (tmp_path / 'out' / 'report.md').read_text()
    assert report.startswith('# 2 trackers on clips') and '![success](success.png)' in report


def test_another_convention(run_tool, clip_results, tmp_path, capsys):
    run_tool(SCRIPT, *clip_results, '--out-dir', tmp_path / 'out', '--convention', 'got10k')
    assert "convention 'got10k'" in capsys.readouterr().out and not (tmp_path / 'out' / 'precision.png').exists()


@pytest.mark.parametrize('changes, message', [
    (['bad'], 'not NAME=FOLDER'),
    (['good=somewhere'], 'same name'),
    (['more=nowhere'], 'result folder nowhere does not exist'),
    (['--sequences', 'buny'], 'similar names: bunny'),
    (['--convention', 'otb'], 'convention must be one of'),
    (['--score', 'auc'], "has success, precision, norm_precision, ao, sr50, sr75, not 'auc'"),
    (['--benchmark', 'nothing'], "no benchmark 'nothing'"),
])
def test_mistakes_end_in_a_usage_error(run_tool, clip_results, tmp_path, capsys, changes, message):
    # Names of trackers come first, or argparse takes them for values of the option before.
    arguments = [*changes, *clip_results] if changes[0][0] != '-' else [*clip_results, *changes]
    with pytest.raises(SystemExit, match='2'):
        run_tool(SCRIPT, *arguments, '--out-dir', tmp_path / 'out')
    assert message in capsys.readouterr().err and not (tmp_path / 'out').exists()


def test_where_the_sequences_are_must_be_said(run_tool, clip_results, tmp_path, capsys):
    with pytest.raises(SystemExit, match='2'):
        run_tool(SCRIPT, *clip_results[:2], '--out-dir', tmp_path / 'out')
    assert '--benchmark NAME, --dataset-config CONFIG or --data-root DIR' in capsys.readouterr().err
