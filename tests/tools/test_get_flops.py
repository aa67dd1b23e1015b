"""The script that counts operations."""
import json

import pytest


def test_the_parts_of_a_tracker(run_tool, capsys):
    run_tool('analysis_tools/get_flops.py', 'tiny_tracker.py')
    output = capsys.readouterr().out
    assert 'tracker, 12 layers' in output and 'attention products included' in output
    rows = [[cell.strip() for cell in line.split('|')[1:-1]] for line in output.split('\n') if line.startswith('| ')]
    assert [row[0] for row in rows if '-' not in row[0]] == ['part', 'backbone', 'head', 'total']
    assert rows[-1] == ['total', '2.760', '0.233', '0.466']


def test_a_compression_has_teacher_and_student(run_tool, capsys):
    run_tool('analysis_tools/get_flops.py', 'bunny_tiny_4layers.py', '--json', '--cfg-options', 'compress.num_stages=3')
    values = json.loads(capsys.readouterr().out)
    teacher, student = values['models']['teacher'], values['models']['student']
    assert (teacher['layers'], student['layers']) == (12, 3) and teacher['parts'][1] == student['parts'][1]  # the head
    tokens, width = 16 + 64, 128
    block = 12 * tokens * width**2 + 2 * tokens**2 * width
    assert teacher['parts'][-1]['macs'] - student['parts'][-1]['macs'] == 9 * block
    assert all(part['flops'] == 2 * part['macs'] for part in teacher['parts'])


@pytest.mark.parametrize('arguments, message', [
    (['nothing.py'], "'nothing.py' is neither"),
    (['bunny_tiny_4layers.py', '--cfg-options', 'compress.num_stages=13'], 'a student cannot be planned'),
    (['default_runtime.py'], 'has no `model`')])
def test_mistakes_end_in_a_usage_error(run_tool, capsys, arguments, message):
    with pytest.raises(SystemExit, match='2'):
        run_tool('analysis_tools/get_flops.py', *arguments)
    assert message in capsys.readouterr().err
