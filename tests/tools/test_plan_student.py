"""The script that plans a student."""
import json

import pytest


def test_a_whole_plan(run_tool, tmp_path, capsys):
    run_tool('analysis_tools/plan_student.py', 'tiny_tracker.py', '--target-ms', 1e6, '--backend', 'pytorch',
             '--layers', 2, '--threads', 1, '--frames', 1, '--warm-up', 0, '--image-size', 320, 240,
             '--out-dir', tmp_path / 'out', '--keep', tmp_path / 'kept')
    output = capsys.readouterr().out
    assert 'The deepest student that meets 1e+06 ms' in output and 'has 12 layers' in output
    assert json.loads((tmp_path / 'out' / 'plan.json').read_text())['layers'] == 12
    assert sorted(file.name for file in (tmp_path / 'kept').iterdir()) == ['12_layers.py', '2_layers.py']
    assert str(tmp_path / 'kept' / '2_layers.py') in output


@pytest.mark.parametrize('arguments, message', [
    (['nothing.py'], "'nothing.py' is neither"),
    (['tiny_tracker.py', '--layers', '13'], 'between 1 and 12, the depth of the teacher'),
    (['tiny_tracker.py', '--backend', 'tensorrt'], 'invalid choice')])
def test_mistakes_end_in_a_usage_error(run_tool, capsys, arguments, message):
    with pytest.raises(SystemExit, match='2'):
        run_tool('analysis_tools/plan_student.py', '--target-ms', 20, *arguments)
    assert message in capsys.readouterr().err


def test_the_backends_of_the_script_are_those_of_the_package(run_tool, capsys):
    from ct_mm.deployment.speed.plan_student import BACKENDS
    with pytest.raises(SystemExit, match='0'):
        run_tool('analysis_tools/plan_student.py', '--help')
    assert f'{{{",".join(BACKENDS)}}}' in ''.join(capsys.readouterr().out.split())


def test_a_plan_answers_with_a_hybrid(run_tool, tmp_path, capsys):
    config = tmp_path / 'four.py'
    config.write_text("_base_ = ['ct_mm::quickstart/tiny_tracker.py', 'ct_mm::_base_/compress.py']\n"
                      "compress = dict(teacher='teacher.pth', num_stages=4)\n")
    curve = dict(about=dict(sequences=['a']), speed={}, trackers={
        path: dict(kind='hybrid', path=path, depth=depth, ao=ao)
        for path, depth, ao in (('1111', 4, 0.5), ('1011', 6, 0.6), ('1110', 6, 0.55))})
    (tmp_path / 'curve.json').write_text(json.dumps(curve))
    run_tool('analysis_tools/plan_student.py', config, '--target-ms', 1e6, '--backend', 'pytorch', '--threads', 1,
             '--frames', 1, '--warm-up', 0, '--image-size', 320, 240, '--curve', tmp_path / 'curve.json',
             '--out-dir', tmp_path / 'out')
    students = json.loads((tmp_path / 'out' / 'plan.json').read_text())['students']
    assert [(each['layers'], each['path']) for each in students] == [(4, '1111'), (6, '1011'), (12, '')]
    assert '6 (path 1011)' in capsys.readouterr().out


@pytest.mark.parametrize('arguments, message', [
    (['--paths', '11', '--layers', '2'], 'give either layers'), (['--paths', '12'], 'has no `compress`'),
    (['--curve', '/nowhere/curve.json'], '/nowhere/curve.json is not the curve.json of')])
def test_a_hybrid_that_cannot_be_planned_is_a_usage_error(run_tool, capsys, arguments, message):
    with pytest.raises(SystemExit, match='2'):
        run_tool('analysis_tools/plan_student.py', 'tiny_tracker.py', '--target-ms', 20, *arguments)
    assert message in ' '.join(capsys.readouterr().err.split())
