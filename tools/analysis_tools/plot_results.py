"""Success and precision plots of several trackers on one benchmark, from the tracks they left, and all tables to them.

For example:

    python tools/analysis_tools/plot_results.py ours=work_dirs/ours/results/uav123 theirs=raw/theirs/uav_{}.txt \
        --benchmark uav123 --data-root data/uav123 --out-dir plots

writes success, precision and normalised precision as PNG and PDF, report.md, and the numbers as CSV.
"""
import argparse
from pathlib import Path
from typing import Optional, Sequence

from ct_mm import cli


def build_parser() -> argparse.ArgumentParser:
    """Returns the parser of the script."""
    from ct_mm.tracking.evaluation.reports.results_cli import add_result_arguments, add_score_arguments
    parser = argparse.ArgumentParser(description='Plot stored results of several trackers')
    add_result_arguments(parser)
    add_score_arguments(parser)
    parser.add_argument('--out-dir', required=True, help='folder for the plots and tables')
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

    from ct_mm.tracking.evaluation.reports.score_plots import plot_sheet, save_figure
    from ct_mm.tracking.evaluation.reports.score_report import format_scores, write_score_report
    from ct_mm.tracking.evaluation.reports.score_sheet import ScoreSheet
    from ct_mm.tracking.evaluation.results.saved_tracks import SavedTracks
    try:
        benchmark = load_benchmark(args)
        tracks = SavedTracks(benchmark.dataset, dict(args.trackers), args.sequences, args.common_only)
        sheet = ScoreSheet(tracks, benchmark.convention, benchmark.name)
        key = sheet.check_key(args.score)
        figures = plot_sheet(sheet, benchmark.title, key)
    except (FileNotFoundError, ValueError) as error:
        parser.error(str(error))
    folder, files = Path(args.out_dir), []
    for name, figure in figures.items():
        files += save_figure(figure, folder / name)
    pictures = [file.name for file in files if file.suffix == '.png']
    files = write_score_report(sheet, folder, benchmark.title, pictures, key) + files
    print(f'{sheet.describe()}\n\n{format_scores(sheet)}\n\nwritten:')
    print('\n'.join(f'  {file}' for file in files))


if __name__ == '__main__':
    cli.run(main)
