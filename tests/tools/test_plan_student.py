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
