"""Stored tracks in videos."""
import cv2
import numpy as np
import pytest

from ct_mm.tracking.evaluation.reports import tracker_report
from ct_mm.tracking.evaluation.reports.draw_tracks import draw_tracks
from ct_mm.tracking.evaluation.results.saved_tracks import SavedTracks


def count_frames(path):
    capture, count = cv2.VideoCapture(str(path)), 0
    while capture.grab():
        count += 1
    capture.release()
    return count


@pytest.fixture
def drawn(monkeypatch):
    """What is handed to ``draw_boxes``, frame by frame."""
    calls, draw = [], tracker_report.draw_boxes
    monkeypatch.setattr(tracker_report, 'draw_boxes',
                        lambda image, boxes, colors: calls.append(boxes) or draw(image, boxes, colors))
    return calls


def test_a_part_of_a_sequence_with_all_trackers(toy_set, write_results, tmp_path, drawn):
    dataset = toy_set(dict(walk=9, run=7))
    tracks = SavedTracks(dataset, dict(a=write_results('a', dataset, 1), b=write_results('b', dataset, 2)))
    files = list(draw_tracks(tracks, tmp_path / 'out', (2, 6)))
    assert [file.name for file in files] == ['walk.mp4', 'run.mp4'] and [count_frames(file) for file in files] == [4, 4]
    assert [boxes['a'][0] for boxes in drawn[:4]] == [23, 24, 25, 26]
    assert [boxes['annotation'][0] for boxes in drawn[:4]] == [22, 23, 24, 25] and drawn[0]['b'][0] == 24


def test_without_an_annotation_the_trackers_are_drawn_alone(toy_set, write_results, tmp_path, drawn):
    dataset = toy_set(dict(walk=3), first_box_only=True)
    list(draw_tracks(SavedTracks(dataset, dict(a=write_results('a', dataset))), tmp_path / 'out'))
    assert np.isfinite(drawn[0]['annotation']).all() and drawn[1]['annotation'] is None and len(drawn) == 3


@pytest.mark.parametrize('frames', [(0, 8), (5, 5), (-1, 3)])
def test_frames_that_are_not_there(toy_set, write_results, tmp_path, frames):
    dataset = toy_set(dict(long=9, walk=7))
    tracks = SavedTracks(dataset, dict(a=write_results('a', dataset)))
    with pytest.raises(ValueError, match='has frames 1 to'):
        list(draw_tracks(tracks, tmp_path / 'out', frames))
    assert not (tmp_path / 'out').exists()


@pytest.mark.parametrize('names, message', [(['annotation'], "none may be named 'annotation'"), (['λ'], 'ASCII'),
                                            ([f't{i}' for i in range(8)], 'only 7 of 8 trackers can have their own')])
def test_trackers_that_cannot_be_told_apart(toy_set, write_results, tmp_path, names, message):
    dataset = toy_set(dict(walk=3))
    tracks = SavedTracks(dataset, {name: write_results('a', dataset) for name in names})
    with pytest.raises(ValueError, match=message):
        list(draw_tracks(tracks, tmp_path / 'out'))


def test_a_part_of_a_video_file_shows_its_own_frames(toy_set, tmp_path, monkeypatch):
    from ct_mm.package_files import resolve_path
    from ct_mm.tracking.datasets.benchmarks import SequenceFolder
    sequence = SequenceFolder(resolve_path('ct_mm::demo/clips')).get_sequence(0)
    seen = []
    monkeypatch.setattr(tracker_report, 'draw_boxes', lambda image, boxes, colors: seen.append(image) or image)
    tracker_report.write_track_video(tmp_path / 'a.mp4', sequence, {}, {}, {'annotation': (255, 255, 255)}, range(3, 5))
    assert len(seen) == 2
    np.testing.assert_array_equal(seen[0], sequence[3])
    np.testing.assert_array_equal(seen[1], sequence[4])
