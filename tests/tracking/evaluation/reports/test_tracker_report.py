import csv

import cv2
import pytest

from ct_mm.tracking.evaluation.reports import tracker_report
from ct_mm.tracking.evaluation.reports.tracker_report import write_report


@pytest.fixture
def trackers(make_tracker):
    return dict(teacher=make_tracker(2), student=make_tracker(1))


def count_frames(path):
    capture, count = cv2.VideoCapture(str(path)), 0
    while capture.grab():
        count += 1
    capture.release()
    return count


def test_all_files_are_there_and_agree(trackers, sequences, tmp_path):
    folder = tmp_path / 'work' / 'report'
    rows, text = write_report(trackers, sequences, folder)
    assert sorted(file.name for file in folder.iterdir()) == ['left.mp4', 'report.csv', 'report.md', 'right.mp4']
    assert all(str(file) in text for file in folder.iterdir())
    with open(folder / 'report.csv', newline='') as stream:
        records = list(csv.DictReader(stream))
    for row, record in zip(rows, records):
        assert record['name'] == row.name and float(record['ao']) == row.ao and float(record['success']) == row.success
        assert int(record['layers']) == row.layers and float(record['ms_per_frame']) == row.ms_per_frame
    report = (folder / 'report.md').read_text()
    lines = [[cell.strip() for cell in line.strip('|').split('|')] for line in report.splitlines() if line[:1] == '|']
    assert len(lines) == 4 and len({len(line) for line in lines}) == 1
    for row, line in zip(rows, lines[2:]):
        assert line[0] == row.name and line[1] == str(row.layers)
        assert line[3] == f'{row.flops / 1e9:.3f}' and line[6] == f'{row.ao:.3f}' and line[7] == f'{row.success:.1f}'
    assert 'including attention products; a multiplication and an addition count as two' in report
    assert '[left](left.mp4)' in report and '10 frames' in report
    assert count_frames(folder / 'left.mp4') == 6 and count_frames(folder / 'right.mp4') == 4


def test_only_the_trackers_asked_for_are_drawn_and_keep_their_colours(trackers, sequences, tmp_path, monkeypatch):
    drawn = []
    draw = tracker_report.draw_boxes
    monkeypatch.setattr(tracker_report, 'draw_boxes',
                        lambda image, boxes, colors: drawn.append((boxes, colors)) or draw(image, boxes, colors))
    write_report(trackers, sequences, tmp_path, video_of=['student'])
    assert all(set(boxes) == {'student', 'annotation'} for boxes, _ in drawn) and len(drawn) == 10
    assert drawn[0][1]['student'] == tracker_report.choose_colors(['teacher', 'student'])['student']
    assert drawn[-1][0]['annotation'] is None and drawn[-2][0]['annotation'] is not None  # hidden in the last frame


def test_without_videos_no_encoder_is_needed(trackers, sequences, tmp_path, monkeypatch):
    monkeypatch.setattr(tracker_report, 'VideoWriter', None)
    write_report(trackers, sequences, tmp_path / 'report', video_of=[])
    assert sorted(file.name for file in (tmp_path / 'report').iterdir()) == ['report.csv', 'report.md']


def test_a_video_that_fails_leaves_no_half_file(trackers, sequences, tmp_path, monkeypatch):

    def fail(image, boxes, colors):
        if (image != sequences[0][3]).any():
            return image
        raise RuntimeError('in the midst of a video')

    monkeypatch.setattr(tracker_report, 'draw_boxes', fail)
    with pytest.raises(RuntimeError, match='midst'):
        write_report(trackers, sequences, tmp_path / 'report')
    assert not list((tmp_path / 'report').iterdir())


@pytest.mark.parametrize('video_of', [['nobody'], 'teacher'])
def test_a_name_that_is_no_tracker(trackers, sequences, tmp_path, video_of):
    with pytest.raises(ValueError, match='video_of must be a list of names from teacher, student'):
        write_report(trackers, sequences, tmp_path / 'report', video_of)
    assert not (tmp_path / 'report').exists()
