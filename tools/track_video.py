"""Tracks targets in a video, images, a camera or a stream: the script behind `mim run ct_mm track_video`.

For example:

    python -m ct_mm.track tiny.onnx demo/clips/bunny/bunny.mp4 --box-file demo/clips/bunny/groundtruth.txt
    python -m ct_mm.track student/student.py student/student.pth 0 --show
"""
from ct_mm import cli
from ct_mm.track import main

if __name__ == '__main__':
    cli.run(main)
