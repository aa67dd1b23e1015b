"""Measures how long a benchmark takes to open: the first time, when all annotations are read, and afterwards.

Creates data sets in two official layouts in a temporary folder, opens each twice, each time in a new process, and
prints a table. ``--scale 1`` creates sets of the size of LaSOT's training set (1,120 sequences of 2,500 frames) and of
TrackingNet's (30,132 of 470). All sequences of a set link to one folder of empty frame files, so that a set is created
quickly; folders on a disk that was not read recently take longer to list.

    python benchmarks/index_speed.py --scale 0.1
"""
import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

from ct_mm.tracking.datasets.reading.annotation_io import read_names

# Opens a set; prints seconds, sequences, frames.
_OPEN = """
import time
from ct_mm.tracking.datasets.benchmarks import {reader}
start = time.perf_counter()
dataset = {reader}({root!r}, index_dir={index!r}, **{options!r})
print(time.perf_counter() - start, len(dataset), dataset.lengths.sum())
"""


def make_lasot(folder: Path, scale: float) -> dict:
    """Makes a training set of LaSOT's size and returns the arguments of its reader."""
    test, frames = set(read_names('lasot_test.txt')), 2500
    classes = sorted({name.rpartition('-')[0] for name in test})
    names = [name for name in (f'{label}-{number}' for label in classes for number in range(1, 21)) if name not in test]
    images = make_frames(folder, [f'{number:08d}.jpg' for number in range(1, frames + 1)])
    boxes, flags = boxes_text(frames, '%d'), ','.join('0' * frames)
    for name in names[:max(1, round(len(names) * scale))]:
        sequence = folder / 'set' / name.rpartition('-')[0] / name
        sequence.mkdir(parents=True)
        (sequence / 'img').symlink_to(images)
        (sequence / 'groundtruth.txt').write_text(boxes)
        for file in ('full_occlusion.txt', 'out_of_view.txt'):
            (sequence / file).write_text(flags)
    return dict(split='train', test_mode=False)


def make_trackingnet(folder: Path, scale: float) -> dict:
    """Makes a training set of TrackingNet's size and returns the arguments of its reader."""
    images = make_frames(folder, [f'{number}.jpg' for number in range(470)])
    boxes = boxes_text(470, '%.2f')
    for number in range(max(12, round(30132 * scale))):
        part, name = folder / 'set' / f'TRAIN_{number % 12}', f'-{number:08d}_0'
        for kind in ('anno', 'frames'):
            (part / kind).mkdir(parents=True, exist_ok=True)
        (part / 'frames' / name).symlink_to(images)
        (part / 'anno' / f'{name}.txt').write_text(boxes)
    return dict(split='train', test_mode=False)


def boxes_text(frames: int, form: str) -> str:
    """Returns random boxes, one line each."""
    boxes = np.random.default_rng(0).uniform(1, 1000, (frames, 4))
    return '\n'.join(','.join(form % value for value in box) for box in boxes) + '\n'


def make_frames(folder: Path, names: list) -> Path:
    """Makes the folder of empty files that all sequences share."""
    images = folder / 'images'
    images.mkdir()
    for name in names:
        (images / name).touch()
    return images


def open_set(reader: str, folder: Path, options: dict) -> list:
    """Opens a set in another process; returns seconds, sequences, frames."""
    code = _OPEN.format(reader=reader, root=str(folder / 'set'), index=str(folder / 'index'), options=options)
    output = subprocess.run([sys.executable, '-c', code], check=True, capture_output=True, text=True).stdout
    return [float(field) for field in output.split()[-3:]]


def main() -> None:
    """Makes the sets and prints the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--scale', type=float, default=0.1, help='share of the sequences (default: 0.1)')
    args = parser.parse_args()
    print('| set | sequences | frames | first opening | µs per frame | second opening | first / second |')
    print('|---|---:|---:|---:|---:|---:|---:|')
    for reader, make in (('LaSOTDataset', make_lasot), ('TrackingNetDataset', make_trackingnet)):
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            options = make(folder, args.scale)
            first, sequences, frames = open_set(reader, folder, options)
            second, *_ = open_set(reader, folder, options)
        print(f'| {reader} | {sequences:,.0f} | {frames:,.0f} | {first:.2f} s | {first / frames * 1e6:.2f} | '
              f'{second:.3f} s | {first / second:.0f} |')


if __name__ == '__main__':
    main()
