"""The script that plots accuracy against speed."""
import json

import pytest


@pytest.fixture
def benchmark(tmp_path):
    times = dict(teacher=400, student=20, x=9)
    rows = [dict(name=name, frame_ms=ms, network_ms=ms - 1) for name, ms in times.items()]
    path = tmp_path / 'benchmark.json'
    path.write_text(json.dumps(dict(rows=rows)))
    return path


def test_a_plot_of_given_accuracies(run_tool, benchmark, tmp_path, capsys):
    run_tool('analysis_tools/plot_speed.py', benchmark, '--accuracy', 'teacher=0.71', 'student=0.68', '--label', 'AO',
             '--time', 'network', '--out', tmp_path / 'new' / 'plot')
    assert (tmp_path / 'new' / 'plot.png').read_bytes().startswith(b'\x89PNG')
    text = (tmp_path / 'new' / 'plot.svg').read_text()
    assert 'student  19 ms' in text and '>AO<' in text
    assert 'not plotted, because no accuracy was given: x' in capsys.readouterr().out


def test_a_plot_of_stored_scores(run_tool, benchmark, tmp_path):
    scores = tmp_path / 'scores.csv'
    scores.write_text('tracker,sequences,success,precision\nteacher,6,71.5,80\nstudent,6,68,\n')
    arguments = ['--scores', scores, '--accuracy', 'x=60', '--out', tmp_path / 'a']
    run_tool('analysis_tools/plot_speed.py', benchmark, *arguments)
    text = (tmp_path / 'a.svg').read_text()
    assert all(f'{name}  ' in text for name in ('teacher', 'student', 'x')) and '>success<' in text


def test_the_same_plot_is_the_same_file(run_tool, benchmark, tmp_path):
    for name in ('a', 'b'):
        run_tool('analysis_tools/plot_speed.py', benchmark, '--accuracy', 'teacher=0.71', '--out', tmp_path / name)
    assert (tmp_path / 'a.svg').read_bytes() == (tmp_path / 'b.svg').read_bytes()


@pytest.mark.parametrize('arguments, message', [
    ([], 'nothing to plot'), (['--accuracy', 'who=0.3'], '--accuracy names who, but'),
    (['--accuracy', 'teacher=high'], "'teacher=high' is not NAME=NUMBER"),
    (['--accuracy', 'teacher=nan'], 'is not NAME=NUMBER'), (['--scores', 'nowhere.csv'], 'nowhere.csv')])
def test_mistakes_end_in_a_usage_error(run_tool, benchmark, capsys, arguments, message):
    with pytest.raises(SystemExit, match='2'):
        run_tool('analysis_tools/plot_speed.py', benchmark, *arguments)
    assert message in capsys.readouterr().err


@pytest.mark.parametrize('text', ['', '[]', '{"rows": [{"name": "a"}]}', '{"rows": [{"name": "a", "frame_ms": null}]}'])
def test_a_file_that_is_no_benchmark_is_named(run_tool, tmp_path, capsys, text):
    path = tmp_path / 'other.json'
    path.write_text(text)
    with pytest.raises(SystemExit, match='2'):
        run_tool('analysis_tools/plot_speed.py', path, '--accuracy', 'a=1')
    assert 'other.json is not a benchmark.json' in capsys.readouterr().err


@pytest.mark.parametrize('text, options, message', [
    ('', [], 'has no column "tracker"'), ('name,success\na,1\n', [], 'has no column "tracker"'),
    ('tracker,success\nteacher,1\n', ['--score', 'ao'], 'no column of the score ao'),
    ('tracker,success\nteacher,one\n', [], 'column success: ')])
def test_scores_that_cannot_be_read(run_tool, benchmark, tmp_path, capsys, text, options, message):
    scores = tmp_path / 'scores.csv'
    scores.write_text(text)
    with pytest.raises(SystemExit, match='2'):
        run_tool('analysis_tools/plot_speed.py', benchmark, '--scores', scores, *options)
    assert message in capsys.readouterr().err
