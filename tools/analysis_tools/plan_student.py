"""Estimates how many layers a student may have to be fast enough on this machine, before you train it.

For example:

    python tools/analysis_tools/plan_student.py ostrack_vitb_256.py --target-ms 20 --backend openvino-int8

It builds students of several depths with the teacher's shapes and random weights, exports them, and times them in turn.
"""
import argparse
import contextlib
import sys
import tempfile
from pathlib import Path
from typing import Optional, Sequence

from ct_mm import cli


def build_parser() -> argparse.ArgumentParser:
    """Returns the parser of the script."""
    parser = argparse.ArgumentParser(description='Plan the number of layers of a student')
    parser.add_argument('config', help='config of a tracker or of its compression')
    parser.add_argument('--target-ms', type=float, required=True, help='time limit for a whole frame in milliseconds')
    parser.add_argument(
        '--backend', default='openvino-int8',
        choices=['openvino-int8', 'openvino-bf16', 'openvino-fp32', 'onnx', 'onnx-int8', 'pytorch'],
        help='runtime and precision of the student (default: openvino-int8)')
    parser.add_argument('--layers', type=int, nargs='+', help='numbers of layers to try (default: 1 2 3 4 6 8 12)')
    parser.add_argument('--paths', nargs='+', metavar='PATH', help='plan hybrids of one training instead: 1 where the '
                        "student runs a stage of the config's compress, 0 where the teacher does")
    parser.add_argument('--curve', metavar='FILE', help='plan the best hybrid of each depth of a curve.json that '
                        'tools/analysis_tools/curve.py wrote')
    parser.add_argument('--image-size', type=int, nargs=2, default=(1280, 720), metavar=('W', 'H'))
    parser.add_argument('--threads', type=int, default=2, help='threads (default: 2)')
    parser.add_argument('--frames', type=int, default=30, help='measured frames per student (default: 30)')
    parser.add_argument('--warm-up', type=int, default=5, help='warm-up frames per student (default: 5)')
    parser.add_argument(
        '--priority', action='store_true', help='use real-time priority, for a shared machine (Linux, root)')
    parser.add_argument('--keep', metavar='DIR', help='keep the exported students (random weights) in this folder')
    parser.add_argument('--out-dir', help='folder for plan.md and plan.json (default: only print)')
    cli.add_debug(parser)
    return parser


def main(argv: Optional[Sequence[str]] = None) -> None:
    """Runs the script.

    Args:
        argv (Sequence[str], optional): The arguments; those of the process by default.
    """
    parser = build_parser()
    args = parser.parse_args(argv)

    from mmengine.config import Config

    from ct_mm.deployment.speed.curve import best_hybrids, read_curve
    from ct_mm.deployment.speed.plan_report import format_plan, write_plan
    from ct_mm.deployment.speed.plan_student import plan_student
    from ct_mm.deployment.speed.tracker_process import Conditions
    from ct_mm.package_files import find_config, resolve_path
    from ct_mm.tracking.video.progress import Progress
    bars = {}

    def show(unit: str, done: int, total: int) -> None:
        bar = bars.setdefault(unit, Progress(total, unit=unit))
        if done:
            bar(done)
        if done == total:
            bar.close()

    with contextlib.ExitStack() as stack:
        folder = args.keep or stack.enter_context(tempfile.TemporaryDirectory())
        try:
            if args.curve and (args.paths or args.layers):
                raise ValueError('--curve already says which hybrids to plan: leave out --paths and --layers')
            paths = list(best_hybrids(read_curve(args.curve)).values()) if args.curve else args.paths
            config = Config.fromfile(find_config(resolve_path(args.config)))
            with contextlib.redirect_stdout(sys.stderr):  # MMEngine's log is not part of the result
                plan = plan_student(
                    config, args.target_ms, folder, args.backend, args.layers,
                    Conditions(tuple(args.image_size), args.threads, priority=args.priority), args.frames, args.warm_up,
                    show, paths)
        except (ImportError, OSError, RuntimeError, ValueError) as error:
            parser.error(str(error))
    print(format_plan(plan))
    files = write_plan(plan, args.out_dir) if args.out_dir else []
    files += sorted(Path(args.keep).iterdir()) if args.keep else []
    if files:
        print('\nwritten:\n' + '\n'.join(f'  {file}' for file in files))


if __name__ == '__main__':
    cli.run(main)
