"""Plots accuracy against speed as measured by benchmark.py.

For example, with given accuracies, or with those that plot_results.py wrote:

    python tools/analysis_tools/plot_speed.py benchmark/benchmark.json --accuracy teacher=0.71 student=0.68 --label AO
    python tools/analysis_tools/plot_speed.py benchmark/benchmark.json --scores plots/scores.csv --score success

writes speed.png and speed.svg.
"""
import argparse
import csv
import json
import math
from pathlib import Path
from typing import Optional, Sequence

from ct_mm import cli


def parse_accuracy(text: str) -> tuple:
    """Splits ``NAME=NUMBER``.

    Raises:
        argparse.ArgumentTypeError: If the text has another form.
    """
    name, _, number = text.rpartition('=')
    try:
        value = float(number)
    except ValueError:
        value = math.nan
    if not name or not math.isfinite(value):
        raise argparse.ArgumentTypeError(f'{text!r} is not NAME=NUMBER, such as student=0.56')
    return name, value


def read_times(path: Path, column: str) -> dict:
    """Reads the milliseconds of each tracker from a benchmark.json.

    Raises:
        OSError: If the file cannot be read.
        ValueError: If it is not a benchmark.json.
    """
    try:
        return {row['name']: float(row[f'{column}_ms']) for row in json.loads(path.read_text(encoding='utf-8'))['rows']}
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f'{path} is not a benchmark.json of tools/analysis_tools/benchmark.py with {column} times '
                         f'({type(error).__name__}: {error})') from error


def read_scores(path: Path, key: Optional[str]) -> tuple:
    """Reads a score of each tracker from a scores.csv, and the name of the score.

    Raises:
        OSError: If the file cannot be read.
        ValueError: If a column is missing or a score is not a number.
    """
    with open(path, encoding='utf-8', newline='') as file:
        rows = list(csv.DictReader(file))
    columns = list(rows[0]) if rows else []
    known = [column for column in columns if column not in ('tracker', 'sequences')]
    if 'tracker' not in columns or not known or (key or known[0]) not in known:
        raise ValueError(f'{path} has no column "tracker" or no column of the score {key or ""}; its columns: '
                         f'{", ".join(columns) or "nothing"}')
    key = key or known[0]
    try:
        return {row['tracker']: float(row[key]) for row in rows if row[key]}, key
    except ValueError as error:
        raise ValueError(f'{path}, column {key}: {error}') from error


def build_parser() -> argparse.ArgumentParser:
    """Returns the parser of the script."""
    parser = argparse.ArgumentParser(description='Plot accuracy against speed')
    parser.add_argument('benchmark', type=Path, help='benchmark.json of tools/analysis_tools/benchmark.py')
    parser.add_argument('--accuracy', nargs='+', type=parse_accuracy, default=[], metavar='NAME=NUMBER')
    parser.add_argument('--scores', type=Path, help='scores.csv with a row for each tracker (plot_results.py)')
    parser.add_argument('--score', metavar='COLUMN', help='which score of that file (default: the first)')
    parser.add_argument('--time', choices=['frame', 'network'], default='frame', help='default: frame')
    parser.add_argument('--label', help='label of the accuracy axis (default: the name of the score)')
    parser.add_argument('--title', default='Accuracy and speed')
    parser.add_argument('--out', default='speed', help='file name without .png and .svg (default: speed)')
    cli.add_debug(parser)
    return parser


def main(argv: Optional[Sequence[str]] = None) -> None:
    """Runs the script.

    Args:
        argv (Sequence[str], optional): The arguments; those of the process by default.
    """
    parser = build_parser()
    args = parser.parse_args(argv)

    from ct_mm.tracking.evaluation.reports.score_plots import save_figure
    from ct_mm.tracking.evaluation.reports.speed_plot import plot_speed
    try:
        times = read_times(args.benchmark, args.time)
        scores, key = read_scores(args.scores, args.score) if args.scores else ({}, 'accuracy')
        unknown = [name for name, _ in args.accuracy if name not in times]
        if unknown:
            raise ValueError(f'--accuracy names {", ".join(unknown)}, but {args.benchmark} has {", ".join(times)}')
        scores.update(args.accuracy)
        figure = plot_speed(times, scores, args.label or key, args.title)
    except (OSError, ValueError) as error:
        parser.error(str(error))
    for file in save_figure(figure, args.out, ('.png', '.svg')):
        print(file)
    left_out = [name for name in times if name not in scores]
    if left_out:
        print(f'not plotted, because no accuracy was given: {", ".join(left_out)}')


if __name__ == '__main__':
    cli.run(main)
