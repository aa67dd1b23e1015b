"""How long a benchmark takes to open: the first time, when all annotations are read, and from then on.

Makes sets in two official layouts in a temporary folder (frames are empty files, for no image is opened), opens each
twice, every time in a process of its own, and prints a table. ``--scale 1`` is a set of the size of LaSOT's training
set (1,120 sequences of 2,500 frames) and one of TrackingNet's (30,132 of 470), which need 2.8 and 14 million inodes.

    python benchmarks/index_speed.py --scale 0.05
"""
import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

from ct_mm.tracking.datasets.annotation_io import read_names

# Opens a set; prints seconds, MiB of memory it took, sequences, frames.
_OPEN = """
import resource, time
from ct_mm.tracking.datasets import {reader}

def memory():  # MiB
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024

before, start = memory(), time.perf_counter()
dataset = {reader}({root!r}, index_dir={index!r}, **{options!r})
print(time.perf_counter() - start, memory() - before, len(dataset), dataset.lengths.sum())
"""


def make_lasot(root: Path, scale: float) -> dict:
    """Makes a training set of LaSOT's size and returns the arguments of its reader."""
    test, frames = set(read_names('lasot_test.txt')), 2500
    classes = sorted({name.rpartition('-')[0] for name in test})
    names = [name for name in (f'{label}-{number}' for label in classes for number in range(1, 21)) if name not in test]
    boxes, flags = boxes_text(frames, '%d'), ','.join('0' * frames)
    for name in names[:max(1, round(1120 * scale))]:
        folder = root / name.rpartition('-')[0] / name
        make_frames(folder / 'img', [f'{number:08d}.jpg' for number in range(1, frames + 1)])
        (folder / 'groundtruth.txt').write_text(boxes)
        for file in ('full_occlusion.txt', 'out_of_view.txt'):
            (folder / file).write_text(flags)
    return dict(split='train', test_mode=False)


def make_trackingnet(root: Path, scale: float) -> dict:
    """Makes a training set of TrackingNet's size and returns the arguments of its reader."""
    boxes, names = boxes_text(470, '%.2f'), [f'{number}.jpg' for number in range(470)]
    for number in range(max(1, round(30132 * scale))):
        part, name = root / f'TRAIN_{number % 12}', f'-{number:08d}_0'
        make_frames(part / 'frames' / name, names)
        (part / 'anno').mkdir(exist_ok=True)
        (part / 'anno' / f'{name}.txt').write_text(boxes)
    return dict(split='train', test_mode=False)


def boxes_text(frames: int, form: str) -> str:
    """Random boxes, one line each."""
    boxes = np.random.default_rng(0).uniform(1, 1000, (frames, 4))
    return '\n'.join(','.join(form % value for value in box) for box in boxes) + '\n'


def make_frames(folder: Path, names: list) -> None:
    """Makes a folder of empty files."""
    folder.mkdir(parents=True)
    for name in names:
        os.close(os.open(folder / name, os.O_CREAT | os.O_WRONLY))


def open_set(reader: str, root: Path, index: Path, options: dict) -> list:
    """Opens a set in another process: seconds, MiB, sequences, frames."""
    code = _OPEN.format(reader=reader, root=str(root), index=str(index), options=options)
    output = subprocess.run([sys.executable, '-c', code], check=True, capture_output=True, text=True).stdout
    return [float(field) for field in output.split()[-4:]]


def main() -> None:
    """Makes the sets and prints the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--scale', type=float, default=0.02, help='share of the sequences (default: 0.02)')
    parser.add_argument('--folder', help='where the temporary folder is made, for instance on the disk of the data')
    args = parser.parse_args()
    print('| set | sequences | frames | first opening | µs per frame | second opening | ratio | MiB, second opening |')
    print('|---|---:|---:|---:|---:|---:|---:|---:|')
    for reader, make in (('LaSOTDataset', make_lasot), ('TrackingNetDataset', make_trackingnet)):
        with tempfile.TemporaryDirectory(dir=args.folder) as folder:
            root, index = Path(folder, 'set'), Path(folder, 'index')
            options = make(root, args.scale)
            first, _, sequences, frames = open_set(reader, root, index, options)
            second, memory, *_ = open_set(reader, root, index, options)
        print(f'| {reader} | {sequences:,.0f} | {frames:,.0f} | {first:.2f} s | {first / frames * 1e6:.2f} | '
              f'{second:.3f} s | {first / second:.0f} | {memory:.0f} |')


if __name__ == '__main__':
    main()
