"""Compares trackers on annotated sequences: cost, speed, accuracy, and videos.

For example, in the work dir of a compression:

    python tools/analysis_tools/compare_trackers.py \
        teacher=my_tracker.py:work_dirs/my_tracker/epoch_300.pth student=student/student.py:student/student.pth \
        --data-root ct_mm::demo/clips --out-dir comparison
"""
import argparse
from typing import Optional, Sequence

from ct_mm import cli


def parse_tracker(text: str) -> tuple:
    """Splits ``NAME=CONFIG:CHECKPOINT``; the package's own paths begin with ``ct_mm::``.

    Raises:
        argparse.ArgumentTypeError: If a part is missing.
    """
    from ct_mm.package_files import split_files
    name, _, files = text.partition('=')
    config, checkpoint = split_files(files)
    if not (name and config and checkpoint):
        raise argparse.ArgumentTypeError(f'{text!r} is not NAME=CONFIG:CHECKPOINT')
    return name, config, checkpoint


def build_parser() -> argparse.ArgumentParser:
    """Returns the parser of the script."""
    parser = argparse.ArgumentParser(description='Compare trackers on annotated sequences')
    parser.add_argument(
        'trackers', nargs='+', type=parse_tracker, metavar='NAME=CONFIG:CHECKPOINT', help='the first is the reference')
    parser.add_argument('--data-root', required=True, help='folder of sequences; ct_mm::demo/clips is included')
    parser.add_argument('--out-dir', required=True, help='folder for the report and the videos')
    parser.add_argument('--video-of', nargs='*', metavar='NAME', help='trackers to draw (default: all)')
    parser.add_argument('--device', default='cpu', help='where the trackers run')
    parser.add_argument('--threads', type=int, help="threads of PyTorch (default: PyTorch's own choice)")
    cli.add_debug(parser)
    return parser


def main(argv: Optional[Sequence[str]] = None) -> None:
    """Runs the script.

    Args:
        argv (Sequence[str], optional): The arguments; those of the process by default.
    """
    parser = build_parser()
    args = parser.parse_args(argv)
    names = [name for name, _, _ in args.trackers]
    if len(set(names)) < len(names):
        parser.error(f'two trackers have the same name: {", ".join(names)}')

    import torch

    from ct_mm.package_files import find_config, resolve_path
    from ct_mm.registry import DATASETS
    from ct_mm.tracking.evaluation.reports.tracker_report import check_video_of, write_report
    from ct_mm.tracking.inference import init_model

    if args.threads:
        torch.set_num_threads(args.threads)
    try:
        check_video_of(dict.fromkeys(names), args.video_of)
        dataset = DATASETS.build(dict(type='ct_mm.SequenceFolder', data_root=resolve_path(args.data_root)))
        trackers = {
            name: init_model(find_config(resolve_path(config)), checkpoint, args.device)
            for name, config, checkpoint in args.trackers
        }
    except (FileNotFoundError, ValueError) as error:
        parser.error(str(error))
    sequences = [dataset.get_sequence(index) for index in range(len(dataset))]
    _, text = write_report(trackers, sequences, args.out_dir, args.video_of)
    print(text)


if __name__ == '__main__':
    cli.run(main)
