"""The script that draws stored tracks into videos."""
import cv2
import pytest

SCRIPT = 'analysis_tools/draw_tracks.py'


def test_the_frames_asked_for(run_tool, clip_results, tmp_path, capsys):
    run_tool(SCRIPT, *clip_results, '--frames', 3, 6, '--out-dir', tmp_path / 'out')
    video = tmp_path / 'out' / 'bunny.mp4'
    assert str(video) in capsys.readouterr().out.splitlines()
    capture = cv2.VideoCapture(str(video))
    assert capture.get(cv2.CAP_PROP_FRAME_COUNT) == 4
    capture.release()


def test_frames_that_are_not_there_end_in_a_usage_error(run_tool, clip_results, tmp_path, capsys):
    with pytest.raises(SystemExit, match='2'):
        run_tool(SCRIPT, *clip_results, '--frames', 100, 115, '--out-dir', tmp_path / 'out')
    assert "'bunny' has frames 1 to 114, not 100 to 115" in capsys.readouterr().err
