"""A tracker in one word of a command line."""
import pytest

from ct_mm.deployment.speed.tracker_spec import TrackerSpec


@pytest.mark.parametrize('text, expected', [
    ('a=b.onnx', TrackerSpec('a', 'b.onnx')),
    ('a=b.xml@bf16', TrackerSpec('a', 'b.xml', precision='bf16')),
    ('a=b.py:c.pth@fp32', TrackerSpec('a', 'b.py', 'c.pth', 'fp32')),
    ('a=b.py', TrackerSpec('a', 'b.py')),
    ('a=ct_mm::x/b.py:ct_mm::c.pth', TrackerSpec('a', 'ct_mm::x/b.py', 'ct_mm::c.pth')),
    ('a=me@home/b.onnx', TrackerSpec('a', 'me@home/b.onnx')),
    ('a=me@home/b.onnx@fp32', TrackerSpec('a', 'me@home/b.onnx', precision='fp32')),
    ('a=C:\\b.onnx', TrackerSpec('a', 'C:\\b.onnx')),
    ('a=C:\\b.py:D:\\c.pth', TrackerSpec('a', 'C:\\b.py', 'D:\\c.pth'))])
def test_words_that_name_a_tracker(text, expected):
    assert TrackerSpec.parse(text) == expected


@pytest.mark.parametrize('text', ['b.onnx', '=b.onnx', 'a=', 'a=@bf16', 'a=b.xml@int8', 'a=b.xml@', ''])
def test_words_that_do_not(text):
    with pytest.raises(ValueError, match=r'is not NAME=MODEL\[:CHECKPOINT\]\[@PRECISION\]'):
        TrackerSpec.parse(text)


def test_an_exported_file_takes_no_checkpoint():
    with pytest.raises(ValueError, match='b.onnx already contains its weights'):
        TrackerSpec.parse('a=b.onnx:c.pth')


def test_a_shipped_config_is_found_by_its_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    spec = TrackerSpec.parse('a=tiny_tracker.py@bf16').resolved()
    assert spec.model.endswith('configs/quickstart/tiny_tracker.py') and (spec.name, spec.precision) == ('a', 'bf16')
    with pytest.raises(FileNotFoundError, match='no_tracker.py'):
        TrackerSpec('a', 'no_tracker.py').resolved()
