"""The script that times trackers."""
import json

import pytest


@pytest.mark.slow
def test_a_whole_benchmark(run_tool, tmp_path, capsys):
    run_tool('analysis_tools/benchmark.py', 'plain=tiny_tracker.py@bf16', '--threads', 1, '--frames', 2, '--warm-up', 1,
             '--image-size', '320x240', '--out-dir', tmp_path / 'out')
    output, errors = capsys.readouterr()
    assert '| plain' in output and 'bf16' in output and '2 frames of 320x240' in output and '\r' not in output + errors
    assert sorted(file.name for file in (tmp_path / 'out').iterdir()) == [
        'benchmark.csv', 'benchmark.json', 'benchmark.md']
    row, = json.loads((tmp_path / 'out' / 'benchmark.json').read_text())['rows']
    assert row['name'] == 'plain' and 0 < row['network_ms'] < row['frame_ms'] and row['frame_speed'] == 1


@pytest.mark.parametrize('arguments, message', [
    (['tiny_tracker.py'], 'is not NAME=MODEL[:CHECKPOINT][@PRECISION]'),
    (['a=tiny_tracker.py', 'a=tiny_tracker.py'], 'same name: a, a'),
    (['a=nothing.py'], "'nothing.py' is neither"),
    (['a=tiny_tracker.py', '--image-size', '320'], "'320' is not WIDTHxHEIGHT"),
    (['a=tiny_tracker.py', '--image-size', '0x240'], "'0x240' is not WIDTHxHEIGHT"),
    (['a=tiny_tracker.py', '--threads', '4096'], 'threads must be between 1 and'),
    (['a=tiny_tracker.py', '--frames', '0'], '0 frames'),
    (['a=tiny_tracker.onnx', '--threads', '1'], 'a: ')])
def test_mistakes_end_in_a_usage_error(run_tool, capsys, arguments, message):
    with pytest.raises(SystemExit, match='2'):
        run_tool('analysis_tools/benchmark.py', *arguments)
    assert message in capsys.readouterr().err
