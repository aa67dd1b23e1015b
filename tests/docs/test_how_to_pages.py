"""The how-to pages do what they say: their files are written, and their commands run, in a folder of their own, for one
epoch of one step instead of ten long ones."""
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from mmengine.config import Config

ROOT = Path(__file__).resolve().parents[2]
PAGES = 'add_a_tracker', 'add_a_loss', 'add_a_dataset'
#: A single step, on made-up photographs where the page takes those of scikit-image; neither fit nor video.
TINY = """
_base_ = ['./page/{name}']
train_dataloader = dict(
    batch_size=2, num_workers=0, persistent_workers=False, dataset=dict(pairs_per_epoch=2{sources}))
train_cfg = dict(max_epochs=1)
custom_hooks = []
"""
SOURCES = """, sources=[dict(
    type='ct_mm.CompositePairs', images=dict(type='ct_mm.SegmentFolder', data_root='photographs'))]"""


def blocks(page, language):
    """The fenced blocks of a page in one language."""
    text = (ROOT / 'docs' / f'{page}.md').read_text(encoding='utf-8').replace('epoch_10.pth', 'epoch_1.pth')
    fenced = re.findall(r'^```(\w*)\n(.*?)^```$', text, flags=re.MULTILINE | re.DOTALL)
    return [block for name, block in fenced if name == language]


def files(page):
    """The page's files by name: each Python block begins with a comment that names one."""
    return {block.split('\n', 1)[0].removeprefix('# '): block for block in blocks(page, 'python')}


def commands(page):
    """The arguments of the page's commands, after `python -m`."""
    lines = ''.join(blocks(page, '')).splitlines()
    return [line.split()[2:] for line in lines if line.startswith('python -m ')]


@pytest.fixture
def folder(tmp_path):
    """A folder with made-up photographs, a sequence whose boxes are corners, and the shipped clip."""
    rng = np.random.default_rng(0)
    photographs, frames = tmp_path / 'photographs', tmp_path / 'data' / 'corners' / 'dog' / 'frames'
    photographs.mkdir()
    frames.mkdir(parents=True)
    photo = cv2.resize(rng.integers(0, 255, (24, 32, 3), np.uint8), (640, 480), interpolation=cv2.INTER_CUBIC)
    segments = np.ones((480, 640), np.uint8)
    cv2.circle(segments, (300, 200), 40, 2, -1)
    cv2.imwrite(str(photographs / 'a.jpg'), photo)
    cv2.imwrite(str(photographs / 'a_segments.png'), segments)
    for i in range(4):
        cv2.imwrite(str(frames / f'{i + 1:04d}.jpg'), photo[::2, ::2])
    (frames.parent / 'corners.txt').write_text('77,75,177,150\n' * 4)
    shutil.copy(ROOT / 'demo' / 'clips' / 'bunny' / 'bunny.mp4', tmp_path / 'clip.mp4')
    return tmp_path


@pytest.fixture
def follow(folder):
    """Does what a page says, and returns what its commands print."""

    def start(page, sources=SOURCES):
        (folder / 'page').mkdir()
        for name, block in files(page).items():
            if '_base_' in block:
                (folder / 'page' / name).write_text(block)
                fit = 'compress = dict(fit=None)\n' if 'compress = ' in block else ''
                (folder / name).write_text(TINY.format(name=name, sources=sources) + fit)
            else:
                (folder / name).write_text(block)
        printed = []
        for command in commands(page):
            more = {'ct_mm.track': ['--no-video', '--max-frames', '5'], 'ct_mm': []}
            more = more.get(command[0], ['--device', 'cpu'])
            process = subprocess.run(
                [sys.executable, '-m', *command, *more], cwd=folder, capture_output=True, text=True, timeout=300,
                env=dict(os.environ, PYTHONPATH=os.pathsep.join([str(ROOT), os.environ.get('PYTHONPATH', '')])))
            assert process.returncode == 0, process.stdout[-3000:] + process.stderr[-3000:]
            printed.append(process.stdout + process.stderr)
        return printed

    return start


@pytest.mark.slow
def test_a_tracker_is_trained_compressed_and_tracks(follow, folder):
    for package in ('onnx', 'onnxscript', 'onnxruntime'):
        pytest.importorskip(package, reason=f'the page exports to ONNX, which needs {package}')
    trained, compressed, tested, *_ = follow('add_a_tracker')
    assert 'loss_giou' in trained and 'Division of backbone.blocks into 2 stages' in compressed
    config = folder / 'work_dirs' / 'my_tracker_2layers' / 'student' / 'student.py'
    student = Config.fromfile(config, import_custom_modules=False).model
    assert student.type == 'MyTracker' and student.backbone.depth == 2
    assert 'sot/ao' in tested
    assert config.with_suffix('.onnx').is_file()
    lines = (folder / 'work_dirs' / 'track_video' / 'clip.txt').read_text().splitlines()
    assert len(lines) == 5


@pytest.mark.slow
def test_own_losses_are_trained_with(follow, folder):
    losses = [block for block in files('add_a_loss').values() if '_base_' not in block]
    assert len(losses) == 3 and all(len(block.splitlines()) <= 30 for block in losses)
    [log] = follow('add_a_loss')
    for name in ('loss_mimic', 'loss_guidance', 'loss_relation', 'guidance_score'):
        assert re.search(rf'{name}: \d', log), name
    text = (folder / 'work_dirs' / 'my_losses_4layers' / 'student' / 'student.py').read_text()
    assert not any(name in text for name in ('CosineMimic', 'ScoreMapGuidance', 'TokenRelation'))


@pytest.mark.slow
def test_an_own_reader_and_source_are_trained_with_and_tested_on(follow, folder):
    trained, tested = follow('add_a_dataset', sources='')
    assert re.search(r'loss_giou: \d', trained) and re.search(r'sot/ao: \d', tested)


@pytest.mark.parametrize('page', PAGES)
def test_a_page_shows_whole_files_that_python_reads(page):
    assert files(page)
    for name, block in files(page).items():
        assert re.fullmatch(r'\w+\.py', name), f'{page}: a Python block begins with {name!r}, not with a file name'
        compile(block, name, 'exec')
        assert all(len(line) <= 120 for line in block.splitlines()), name
