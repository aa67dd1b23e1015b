"""Compares the stored tracks of two trackers: where the second gains and loses, and how certain the difference is.

For example:

    python tools/analysis_tools/compare_results.py teacher=work_dirs/teacher/results/lasot \
        student=work_dirs/student/results/lasot --benchmark lasot --out-dir comparison
"""
import argparse
from typing import Optional, Sequence

from ct_mm import cli


def build_parser() -> argparse.ArgumentParser:
    """Returns the parser of the script."""
    from ct_mm.tracking.evaluation.reports.results_cli import add_result_arguments, add_score_arguments
    parser = argparse.ArgumentParser(description='Compare the stored results of two trackers with each other')
    add_result_arguments(parser, trackers=2)
    add_score_arguments(parser)
    parser.add_argument('--out-dir', required=True, help='folder for comparison.md and comparison.csv')
    parser.add_argument('--top', type=int, default=10, metavar='N', help='sequences to list (default: %(default)s)')
    parser.add_argument(
        '--resamples', type=int, default=10000, metavar='N', help='bootstrap samples (default: %(default)s)')
    parser.add_argument('--seed', type=int, default=0, help='seed of the bootstrap (default: %(default)s)')
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

    from ct_mm.tracking.evaluation.reports.results_comparison import ResultsComparison
    from ct_mm.tracking.evaluation.reports.score_sheet import ScoreSheet
    from ct_mm.tracking.evaluation.results.saved_tracks import SavedTracks
    try:
        benchmark = load_benchmark(args)
        tracks = SavedTracks(benchmark.dataset, dict(args.trackers), args.sequences, args.common_only)
        sheet = ScoreSheet(tracks, benchmark.convention, benchmark.name)
        comparison = ResultsComparison(sheet, args.score, args.resamples, seed=args.seed)
    except (FileNotFoundError, ValueError) as error:
        parser.error(str(error))
    files = comparison.write(args.out_dir, benchmark.title, args.top)
    print(comparison.format(benchmark.title, args.top))
    print('written:\n' + '\n'.join(f'  {file}' for file in files))


if __name__ == '__main__':
    cli.run(main)
