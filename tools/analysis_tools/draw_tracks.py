"""Draws the stored tracks of several trackers, and the annotation where available, into videos of their sequences.

For example:

    python tools/analysis_tools/draw_tracks.py ours=work_dirs/ours/results/uav123 theirs=raw/theirs/uav_{}.txt \
        --benchmark uav123 --sequences bike1 truck4_1 --frames 100 300 --out-dir videos
"""
import argparse
from pathlib import Path
from typing import Optional, Sequence

from ct_mm import cli


def build_parser() -> argparse.ArgumentParser:
    """Returns the parser of the script."""
    from ct_mm.tracking.evaluation.reports.results_cli import add_result_arguments
    parser = argparse.ArgumentParser(description='Draw stored tracks into videos of their sequences')
    add_result_arguments(parser)
    parser.add_argument(
        '--frames', nargs=2, type=int, metavar=('FIRST', 'LAST'), help='the frames to show, counted from 1 as in the '
        'videos, both included (default: all)')
    parser.add_argument('--fps', type=float, help='frames per second (default: those of a video, 25 for image files)')
    parser.add_argument('--out-dir', required=True, help='folder for the videos, NAME.mp4')
    cli.add_debug(parser)
    return parser


def main(argv: Optional[Sequence[str]] = None) -> None:
    """Runs the script.

    Args:
        argv (Sequence[str], optional): The arguments; those of the process by default.
    """
    from ct_mm.tracking.evaluation.reports.results_cli import check_names, load_benchmark
    parser = build_parser()
    args = parser.parse_args(argv)
    check_names(parser, args)

    from ct_mm.tracking.evaluation.reports.draw_tracks import draw_tracks
    from ct_mm.tracking.evaluation.results.saved_tracks import SavedTracks
    try:
        tracks = SavedTracks(load_benchmark(args).dataset, dict(args.trackers), args.sequences)
        frames = None if args.frames is None else (args.frames[0] - 1, args.frames[1])
        for path in draw_tracks(tracks, Path(args.out_dir), frames, args.fps):
            print(path, flush=True)
    except (FileNotFoundError, ImportError, ValueError) as error:
        parser.error(str(error))


if __name__ == '__main__':
    cli.run(main)
