"""Compares the speed of trackers of any kind (network and whole frame) and the memory they use.

For example, a teacher in PyTorch against its student for OpenVINO, in the file's int8 and in float32:

    python tools/analysis_tools/benchmark.py teacher=ostrack_vitb_256.py:checkpoints/ostrack_vitb_256.pth \
        student=student/student_int8.xml plain=student/student.xml@fp32 --out-dir benchmark

Without a checkpoint, a config gets random weights, which does not affect its speed.
"""
import argparse
from typing import Optional, Sequence

from ct_mm import cli


def parse_size(text: str) -> tuple:
    """Reads ``WIDTHxHEIGHT``.

    Raises:
        argparse.ArgumentTypeError: If the text has another form.
    """
    width, _, height = text.partition('x')
    if not (width.isdigit() and height.isdigit() and int(width) > 0 and int(height) > 0):
        raise argparse.ArgumentTypeError(f'{text!r} is not WIDTHxHEIGHT, such as 1280x720')
    return int(width), int(height)


def build_parser() -> argparse.ArgumentParser:
    """Returns the parser of the script."""
    parser = argparse.ArgumentParser(description='Compare the speed of trackers')
    parser.add_argument(
        'trackers', nargs='+', metavar='NAME=MODEL[:CHECKPOINT][@PRECISION]',
        help='a config (.py) or an exported tracker (.onnx, .xml, .torchscript, .pt2); precision: fp32, bf16 or fp16. '
        'Speeds are relative to the first tracker')
    parser.add_argument('--image-size', type=parse_size, default=(1280, 720), metavar='WxH', help='default: 1280x720')
    parser.add_argument('--threads', type=int, default=2, help='threads per tracker (default: 2)')
    parser.add_argument('--frames', type=int, default=50, help='measured frames per tracker (default: 50)')
    parser.add_argument('--warm-up', type=int, default=10, help='warm-up frames per tracker (default: 10)')
    parser.add_argument('--device', default='cpu', help='where the trackers run')
    parser.add_argument(
        '--priority', action='store_true', help='use real-time priority, for a shared machine (Linux, root)')
    parser.add_argument('--out-dir', help='folder for benchmark.md, .csv and .json (default: only print)')
    cli.add_debug(parser)
    return parser


def main(argv: Optional[Sequence[str]] = None) -> None:
    """Runs the script.

    Args:
        argv (Sequence[str], optional): The arguments; those of the process by default.
    """
    parser = build_parser()
    args = parser.parse_args(argv)

    from ct_mm.deployment.speed.benchmark import benchmark_trackers
    from ct_mm.deployment.speed.benchmark_report import format_benchmark, write_benchmark
    from ct_mm.deployment.speed.tracker_process import Conditions
    from ct_mm.deployment.speed.tracker_spec import TrackerSpec
    from ct_mm.tracking.video.progress import Progress
    progress = Progress(len(args.trackers) * (args.frames + args.warm_up))
    try:
        specs = [TrackerSpec.parse(text) for text in args.trackers]
        conditions = Conditions(args.image_size, args.threads, args.device, args.priority)
        benchmark = benchmark_trackers(specs, conditions, args.frames, args.warm_up, progress)
        progress.close()
    except (OSError, RuntimeError, ValueError) as error:
        parser.error(str(error))
    print(format_benchmark(benchmark))
    if args.out_dir:
        print('\nwritten:')
        for file in write_benchmark(benchmark, args.out_dir):
            print(f'  {file}')


if __name__ == '__main__':
    cli.run(main)
