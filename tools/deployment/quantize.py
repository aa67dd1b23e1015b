"""Quantises a trained tracker to int8, calibrated on real crops, and reports the loss of accuracy.

For example, the student of a compression:

    python tools/deployment/quantize.py student/student.py student/student.pth --format openvino \
        --calibration data/got10k/val --sequences data/my_sequences
"""
import argparse
from pathlib import Path
from typing import Optional, Sequence

from ct_mm import cli


def build_parser() -> argparse.ArgumentParser:
    """Returns the parser of the script."""
    parser = argparse.ArgumentParser(description='Quantise a tracker to int8')
    parser.add_argument('config', help='config of a plain tracker; for a compression, student/student.py')
    parser.add_argument('checkpoint', help='its weights')
    parser.add_argument('--format', default='openvino', choices=['openvino', 'onnx'])
    parser.add_argument('--calibration', required=True, help='folder of sequences or of images')
    parser.add_argument('--samples', type=int, default=300, help='pairs of crops for calibration (default: 300)')
    parser.add_argument(
        '--max-error', type=float,
        help='leave the most sensitive layers in float until the error of the maps, on crops held out of the '
        'calibration, is no more than this fraction of their spread; try 0.05 (default: all layers in int8)')
    parser.add_argument('--sequences', help='folder of annotated sequences, to measure the accuracy before and after')
    parser.add_argument(
        '--noise-runs', type=int, default=0, metavar='N',
        help='with --sequences: also track them N times in float32 with noise of one grey level, to show how much of a '
        'difference is chance')
    parser.add_argument('--out', help='output file (default: CHECKPOINT_int8 with the suffix of the format)')
    cli.add_debug(parser)
    return parser


def _say(count: int, error: float) -> None:
    print(f'{count} layers left in float: maps off by {error:.3f} of their spread', flush=True)


def main(argv: Optional[Sequence[str]] = None) -> None:
    """Runs the script.

    Args:
        argv (Sequence[str], optional): The arguments; those of the process by default.
    """
    parser = build_parser()
    args = parser.parse_args(argv)

    from ct_mm import require_openmmlab
    try:
        require_openmmlab()
    except ImportError as error:
        parser.error(str(error))
    from ct_mm.deployment.export.deployed_network import check_finite
    from ct_mm.deployment.int8.accuracy import accuracy_table, average_overlaps
    from ct_mm.deployment.int8.calibration import calibration_crops
    from ct_mm.deployment.int8.comparable_trackers import FollowingTracker, PerturbedTracker
    from ct_mm.deployment.int8.quantize import QUANTIZERS
    from ct_mm.deployment.int8.quantize_within import quantize_within
    from ct_mm.package_files import find_config, resolve_path
    from ct_mm.tracking.datasets.benchmarks import SequenceFolder
    from ct_mm.tracking.inference import init_model
    from ct_mm.tracking.runtime import init_tracker
    from ct_mm.tracking.video.progress import Progress
    suffix, quantize = QUANTIZERS[args.format]
    checkpoint = Path(resolve_path(args.checkpoint))
    path = Path(args.out or checkpoint.with_name(f'{checkpoint.stem}_int8{suffix}'))
    try:
        config = find_config(resolve_path(args.config))
        if args.max_error is not None and args.max_error <= 0:
            raise ValueError(f'--max-error must be above 0, but is {args.max_error:g}')
        if path.suffix != suffix:
            raise ValueError(f'--out must end in {suffix} for --format {args.format}, but is {path.name}')
        dataset = SequenceFolder(args.sequences) if args.sequences else None
        tracker = init_model(config, checkpoint)
        check_finite(tracker)
        crops = list(calibration_crops(args.calibration, tracker.card(), args.samples))
        report = quantize_within(tracker, crops, path, quantize, args.max_error, _say)
    except (ImportError, OSError, ValueError) as error:
        parser.error(str(error))
    print(f'{path}: int8, calibrated on {len(crops)} pairs of crops from {args.calibration}')
    for name in report.in_float:
        print(f'  in float: {name.removeprefix("network.")} (alone off by {report.estimates[name]:.3f})')
    if dataset is None:
        print('accuracy not measured: name annotated sequences with --sequences')
        return
    sequences = [dataset.get_sequence(index) for index in range(len(dataset))]
    progress = Progress(sum(len(sequence) for sequence in sequences))
    trackers = {'fp32 (PyTorch)': tracker, 'int8': init_tracker(path)}
    noisy = {f'fp32, noise {seed}': PerturbedTracker(init_model(config, checkpoint), seed)
             for seed in range(1, args.noise_runs + 1)}
    follower = {'int8, same crops': FollowingTracker(init_tracker(path), init_model(config, checkpoint))}
    overlaps = average_overlaps({**trackers, **follower, **noisy}, sequences, progress)
    progress.close()
    print('average overlap (GOT-10k convention, all frames):\n')
    print(accuracy_table({name: overlaps[name] for name in trackers}))
    print('\nframe by frame, where int8 searches around the box that float32 found last:\n')
    print(accuracy_table({name: overlaps[name] for name in ('fp32 (PyTorch)', *follower)}))
    if noisy:
        print('\nchance: float32 on the same frames with noise of one grey level:\n')
        print(accuracy_table({name: overlaps[name] for name in ('fp32 (PyTorch)', *noisy)}, change=False))


if __name__ == '__main__':
    cli.run(main)
