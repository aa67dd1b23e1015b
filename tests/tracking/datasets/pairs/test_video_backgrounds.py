"""Composites with video frames as backgrounds."""
import pickle

import cv2
import numpy as np
import pytest

from ct_mm.registry import DATASETS


@pytest.fixture
def videos(tmp_path):
    """Two clips of 12 frames; frame i of the first is grey value 10 i, of the second 120 + 10 i."""
    folder = tmp_path / 'videos'
    folder.mkdir()
    for name, first in (('a', 0), ('b', 120)):
        writer = cv2.VideoWriter(str(folder / f'{name}.mp4'), cv2.VideoWriter_fourcc(*'mp4v'), 10, (96, 64))
        for i in range(12):
            writer.write(np.full((64, 96, 3), first + 10 * i, np.uint8))
        writer.release()
    return dict(type='ct_mm.VideoBackgrounds', data_root=str(folder), every=3, max_gap=1, max_side=48)


def test_two_frames_of_one_video_not_far_apart(videos):
    source = pickle.loads(pickle.dumps(DATASETS.build(videos)))
    rng, seen = np.random.default_rng(0), set()
    for _ in range(200):
        (first, second), name = source.draw(rng)
        assert first.shape == second.shape == (32, 48, 3)
        levels = [int(round((image.mean() - (120 if 'b.mp4' in name else 0)) / 30)) for image in (first, second)]
        assert all(0 <= level < 4 for level in levels) and abs(levels[0] - levels[1]) <= 1
        seen.add((name[:-40], *levels))
    assert len({(first, second) for _, first, second in seen}) == 10, 'all neighbours come'


def test_half_of_the_composites_use_them(videos, composites):
    source = DATASETS.build(composites(static_fraction=0, videos=videos, max_distractors=0))
    pairs = [source.draw_pair(np.random.default_rng(seed)) for seed in range(80)]
    before = ['.mp4' in pair['source'][-1] for pair in pairs if pair is not None]
    assert 0.3 < np.mean(before) < 0.7


def test_missing_and_damaged_videos(tmp_path):
    with pytest.raises(FileNotFoundError, match='no videos'):
        DATASETS.build(dict(type='ct_mm.VideoBackgrounds', data_root=str(tmp_path)))
    (tmp_path / 'x.mp4').write_bytes(b'no video')
    with pytest.raises(OSError, match=r'x\.mp4'):
        DATASETS.build(dict(type='ct_mm.VideoBackgrounds', data_root=str(tmp_path))).draw(np.random.default_rng(0))
