"""Measures training pairs per second relative to a straightforward loop over the same frames.

The loop follows configs/_base_/datasets/got10k_pairs.py step by step: it reads both frames with cv2.imread, randomly
converts them to grey and flips them, crops, resizes, and changes the brightness. Both run on one thread, alternating,
on JPEGs of 1280x720 in the page cache:

    python benchmarks/pair_throughput.py FOLDER_OF_VIDEOS_OR_IMAGES

The targets are moving rectangles of a given size, sqrt(w * h). In the mix, the sizes of the sequences are spread evenly
in their logarithm from the smallest to the largest. Each way runs in its own process for each of these groups, because
the cost of memory depends on what the process has freed before.
"""
import argparse
import contextlib
import math
import multiprocessing
import os
import statistics
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import torch

from ct_mm.package_files import resolve_path
from ct_mm.registry import DATASETS
from ct_mm.tracking.datasets.reading import jpeg

FRAME = (1280, 720)
SIZES = (30, 80, 160, 320)  # sqrt(w * h) of a target, pixels
LENGTH = 20  # frames of a sequence


class Loop:
    """A first, simple implementation of pairs, with the sampling and the augmentation of the recipe."""

    def __init__(self, folder: Path) -> None:
        self.sequences = [(sorted(path.glob('*.jpg')), np.loadtxt(path / 'groundtruth.txt', delimiter=','))
                          for path in sorted(folder.iterdir())]

    def __getitem__(self, draw: int) -> dict:
        rng = np.random.default_rng(draw)
        files, boxes = self.sequences[rng.integers(len(self.sequences))]
        first, second = np.sort(rng.choice(len(files), 2, replace=False))
        grey, crops = rng.random() < 0.05, {}
        for name, index, factor, output in (('template', first, 2, 128), ('search', second, 4, 256)):
            image, (x, y, w, h) = cv2.cvtColor(cv2.imread(str(files[index])), cv2.COLOR_BGR2RGB), boxes[index]
            if grey:
                image = cv2.cvtColor(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)
            if rng.random() < 0.5:
                image, x = cv2.flip(image, 1), image.shape[1] - x - w
            x, y = x + w / 2, y + h / 2
            if name == 'search':
                w, h = (w, h) * np.exp(0.25 * rng.standard_normal(2))
                x, y = (x, y) + 1.5 * math.sqrt(w * h) * rng.uniform(-1, 1, 2)
            crop = cv2.resize(self.square(image, x, y, math.ceil(math.sqrt(w * h) * factor)), (output, output))
            crop = np.clip(crop * np.float32(rng.uniform(0.8, 1.2)), 0, 255).astype(np.uint8)
            crops[name] = torch.from_numpy(crop.transpose(2, 0, 1).copy())
        return crops

    @staticmethod
    def square(image: np.ndarray, x: float, y: float, side: int) -> np.ndarray:
        """Returns the square around a point, zero outside the image."""
        left, top = round(x - side / 2), round(y - side / 2)
        inside = image[max(top, 0):max(top + side, 0), max(left, 0):max(left + side, 0)]
        padded = np.zeros((side, side, 3), np.uint8)
        y, x = max(-top, 0), max(-left, 0)
        padded[y:y + inside.shape[0], x:x + inside.shape[1]] = inside
        return padded


def frames_of(source: Path, wanted: int) -> Iterator[np.ndarray]:
    """Returns pictures of 1280x720, taken evenly from the videos or images of a folder."""
    files = sorted(path for path in source.rglob('*') if path.is_file())
    videos = [path for path in files if path.suffix.lower() in ('.mp4', '.avi', '.mov', '.mkv', '.webm')]
    images = [path for path in files if path.suffix.lower() in ('.jpg', '.jpeg', '.png', '.bmp')]
    if not videos and not images:
        raise FileNotFoundError(f'{source} contains neither videos nor images')
    if not videos:
        yield from (cv2.resize(cv2.imread(str(images[i * len(images) // wanted])), FRAME) for i in range(wanted))
        return
    for number, path in enumerate(videos):
        capture = cv2.VideoCapture(str(path))
        share = (number + 1) * wanted // len(videos) - number * wanted // len(videos)
        step = max(int(capture.get(cv2.CAP_PROP_FRAME_COUNT)) // max(share, 1), 1)
        for i in range(share * step):
            success, frame = capture.read()
            if success and i % step == 0:
                yield cv2.resize(frame, FRAME)
        capture.release()


def write_sequences(folder: Path, source: Path, quality: int, sequences: int) -> dict[str, Path]:
    """Writes the JPEGs once, and a folder of sequences for each size and for the mix that links to them."""
    rng = np.random.default_rng(0)
    spread = np.geomspace(SIZES[0], SIZES[-1], sequences)
    groups = {f'{size} px': [size] * sequences for size in SIZES} | {'mix': rng.permutation(spread)}
    pictures = list(frames_of(source, sequences * LENGTH))
    (folder / 'jpegs').mkdir()
    for number, picture in enumerate(pictures):
        cv2.imwrite(str(folder / 'jpegs' / f'{number}.jpg'), picture, [cv2.IMWRITE_JPEG_QUALITY, quality])
    for name, sizes in groups.items():
        for number, size in enumerate(sizes):
            sequence = folder / name / f'{number:03d}'
            sequence.mkdir(parents=True)
            aspect = math.exp(0.3 * rng.standard_normal())
            wh = np.minimum(size * np.array([aspect, 1 / aspect]), np.array(FRAME) - 1)
            centre, lines = rng.uniform(wh / 2, FRAME - wh / 2), []
            for i in range(LENGTH):
                os.link(folder / 'jpegs' / f'{number * LENGTH + i}.jpg', sequence / f'{i:04d}.jpg')
                centre = np.clip(centre + 0.3 * size * rng.standard_normal(2), wh / 2, FRAME - wh / 2)
                lines.append(','.join(f'{value:.2f}' for value in (*(centre - wh / 2), *wh)))
            (sequence / 'groundtruth.txt').write_text('\n'.join(lines))
    return {name: folder / name for name in groups}


def pairs_of(folder: Path, reduced: bool = False):
    """Returns the training data of got10k_pairs.py on another folder."""
    from mmengine.config import Config
    config = Config.fromfile(resolve_path('ct_mm::configs/_base_/datasets/got10k_pairs.py')).train_dataloader.dataset
    reader = dict(type='ct_mm.SequenceFolder', data_root=str(folder), index_dir=None)
    config.sources[0].dataset = reader
    next(step for step in config.pipeline if step.type == 'ct_mm.CropPair').reduced = reduced
    return DATASETS.build(config)


def prepare(way: str, folder: Path) -> None:
    """Prepares this process to measure one way."""
    global dataset
    cv2.setNumThreads(0)
    torch.set_num_threads(1)
    if way == 'ct_mm with OpenCV':
        jpeg.simplejpeg = None
    dataset = Loop(folder) if way == 'loop' else pairs_of(folder, reduced=way == 'ct_mm reduced')


def seconds_for(draws: range, clock: str) -> float:
    """Measures how long the pairs of some draw numbers take."""
    now = dict(wall=time.perf_counter, cpu=time.process_time)[clock]
    start = now()
    for draw in draws:
        dataset[draw]
    return now() - start


def measure(ways: list[str], folder: Path, rounds: int, pairs: int, warmup: int, clock: str) -> list[float]:
    """Returns the median pairs per second of each way; each has its own process, and they alternate in every round."""
    context = multiprocessing.get_context('spawn')
    rates = {way: [] for way in ways}
    with contextlib.ExitStack() as stack:
        processes = {way: stack.enter_context(context.Pool(1, prepare, (way, folder))) for way in ways}
        for process in processes.values():
            process.apply(seconds_for, (range(warmup), clock))
        for i in range(rounds):
            for way, process in processes.items():
                rates[way].append(pairs / process.apply(seconds_for, (range(i * pairs, (i + 1) * pairs), clock)))
    return [statistics.median(rates[way]) for way in ways]


def main(argv: list[str] | None = None) -> None:
    """Measures and prints a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('source', type=Path, help='folder of videos or images to make the frames from')
    parser.add_argument('--quality', type=int, nargs='+', default=[95, 75], help='JPEG qualities (default: 95 75)')
    parser.add_argument('--rounds', type=int, default=5, help='alternating rounds; the median is reported (default: 5)')
    parser.add_argument('--pairs', type=int, default=40, help='pairs in each round and way (default: 40)')
    parser.add_argument('--warmup', type=int, default=10, help='pairs of each way before the first round (default: 10)')
    parser.add_argument('--clock', choices=['wall', 'cpu'], default='wall', help='use cpu on a shared machine')
    parser.add_argument('--sequences', type=int, default=16, help=f'sequences of {LENGTH} frames (default: 16)')
    parser.add_argument('--all', action='store_true', help='also decode at half scale, and with OpenCV alone')
    args = parser.parse_args(argv)
    ways = ['loop', 'ct_mm', *(['ct_mm reduced', 'ct_mm with OpenCV'] if args.all else [])]
    print(f'{jpeg.decoder_name()}; OpenCV {cv2.__version__}; one process and one thread each; pairs per second of '
          f'{args.clock} time: medians of {args.rounds} rounds of {args.pairs} pairs by turns, after {args.warmup} to '
          'warm up\n')
    print('| ' + ' | '.join(['JPEG quality', 'target', *ways, *(f'{way} / loop' for way in ways[1:])]) + ' |')
    print('|---:|---:|' + '---:|' * (2 * len(ways) - 1))
    for quality in args.quality:
        with tempfile.TemporaryDirectory(prefix='pair_throughput_') as folder:
            for group, root in write_sequences(Path(folder), args.source, quality, args.sequences).items():
                rates = measure(ways, root, args.rounds, args.pairs, args.warmup, args.clock)
                cells = [str(quality), group, *(f'{rate:.0f}' for rate in rates)]
                cells += [f'{rate / rates[0]:.2f}' for rate in rates[1:]]
                print('| ' + ' | '.join(cells) + ' |', flush=True)


if __name__ == '__main__':
    main()
