"""The script that compares trackers from plain files."""
import argparse
import runpy
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope='module')
def script():
    return runpy.run_path(str(ROOT / 'tools' / 'analysis_tools' / 'compare_trackers.py'))


@pytest.mark.parametrize('text, expected', [
    ('a=b.py:c.pth', ('a', 'b.py', 'c.pth')),
    ('a=ct_mm::configs/b.py:ct_mm::demo/c.pth', ('a', 'ct_mm::configs/b.py', 'ct_mm::demo/c.pth')),
    ('a=b.py:https://host/c.pth', ('a', 'b.py', 'https://host/c.pth')),
    ('a=C:\\b.py:D:\\c.pth', ('a', 'C:\\b.py', 'D:\\c.pth')),
])
def test_a_tracker_in_one_word(script, text, expected):
    assert script['parse_tracker'](text) == expected


@pytest.mark.parametrize('text', ['a.py:b.pth', 'a=b.py', '=b.py:c.pth', 'a=b.py:', ''])
def test_a_tracker_in_the_wrong_words(script, text):
    with pytest.raises(argparse.ArgumentTypeError, match='NAME=CONFIG:CHECKPOINT'):
        script['parse_tracker'](text)


def test_a_whole_comparison(script, tmp_path, capsys):
    import cv2
    import numpy as np
    import torch

    from ct_mm.tracking.inference import init_model
    sequence = tmp_path / 'data' / 'still'
    sequence.mkdir(parents=True)
    for index in range(3):
        cv2.imwrite(str(sequence / f'{index}.png'), np.full((90, 120, 3), 90, np.uint8))
    (sequence / 'groundtruth.txt').write_text('30,30,20,20\n' * 3)
    torch.save(init_model(ROOT / 'configs/quickstart/tiny_tracker.py').state_dict(), tmp_path / 'a.pth')
    files = f'tiny_tracker.py:{tmp_path / "a.pth"}'
    arguments = ['--data-root', str(tmp_path / 'data'), '--out-dir', str(tmp_path / 'out')]
    script['main']([f'first={files}', f'second={files}', *arguments])
    assert sorted(file.name for file in (tmp_path / 'out').iterdir()) == ['report.csv', 'report.md', 'still.mp4']
    output = capsys.readouterr().out
    assert '| second' in output and str(tmp_path / 'out' / 'report.md') in output


@pytest.mark.parametrize('changes, message', [
    (['first=tiny_tracker.py:nowhere.pth'], 'nowhere.pth does not exist'),
    (['first=nothing.py:a.pth'], "'nothing.py' is neither"),
    (['a=tiny_tracker.py:a.pth', 'a=tiny_tracker.py:b.pth'], 'same name'),
    (['first=tiny_tracker.py:nowhere.pth', '--video-of', 'b'], 'video_of'),
])
def test_mistakes_end_in_a_usage_error(script, changes, message, tmp_path, capsys):
    with pytest.raises(SystemExit, match='2'):
        script['main']([*changes, '--data-root', 'ct_mm::demo/clips', '--out-dir', str(tmp_path)])
    assert message in capsys.readouterr().err
