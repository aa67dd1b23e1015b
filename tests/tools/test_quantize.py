"""The script that quantises: what it writes, what it says, and its mistakes."""
import pytest

TRACKER = ('tiny_tracker.py', 'ct_mm::demo/teacher/tiny_teacher.pth')


@pytest.mark.slow
def test_a_bound_the_layers_it_costs_and_the_share_of_chance(run_tool, tmp_path, capsys):
    for package in ('onnx', 'onnxscript', 'onnxruntime'):
        pytest.importorskip(package, reason=f'int8 for onnx needs {package}')
    run_tool('deployment/quantize.py', *TRACKER, '--format', 'onnx', '--calibration', 'ct_mm::demo/clips',
             '--samples', 10, '--max-error', 0.04, '--sequences', 'ct_mm::demo/clips', '--noise-runs', 1,
             '--out', tmp_path / 'a.onnx')
    output = capsys.readouterr().out
    errors = [float(line.split()[-4]) for line in output.splitlines() if 'layers left in float' in line]
    assert errors[-1] <= 0.04 and all(error > 0.04 for error in errors[:-1])
    assert '| int8 | change |' in ' '.join(output.split())
    assert 'fp32, noise 1' in output and 'int8, same crops' in output
    assert [file.name for file in tmp_path.iterdir()] == ['a.onnx']


@pytest.mark.parametrize('arguments, message', [
    (['nothing.py', 'x.pth', '--calibration', 'ct_mm::demo/clips'], "'nothing.py' is neither"),
    ([*TRACKER, '--calibration', 'nowhere'], 'nowhere does not exist'),
    ([*TRACKER, '--calibration', 'ct_mm::demo/clips', '--max-error', '0'], '--max-error must be above 0'),
    ([*TRACKER, '--calibration', 'ct_mm::demo/clips', '--out', 'a.onnx'], 'must end in .xml for --format openvino')])
def test_mistakes_end_in_a_usage_error(run_tool, capsys, arguments, message):
    with pytest.raises(SystemExit, match='2'):
        run_tool('deployment/quantize.py', *arguments)
    assert message in capsys.readouterr().err


@pytest.mark.parametrize('script, arguments', [('export', ()), ('quantize', ('--calibration', 'x'))])
def test_an_environment_without_the_toolbox_is_told_what_to_install(run_tool, capsys, monkeypatch, script, arguments):
    import ct_mm
    monkeypatch.setattr(ct_mm, 'find_spec', lambda name: None)
    with pytest.raises(SystemExit, match='2'):
        run_tool(f'deployment/{script}.py', *TRACKER, *arguments)
    assert 'ct_mm needs mmengine and mmcv' in capsys.readouterr().err
