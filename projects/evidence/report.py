"""Writes the report: a page in Markdown, a table in CSV, a plot. No number is typed by hand.

    python projects/evidence/report.py --scale narrow --also wide --notes projects/evidence/notes.md

It reads the committed results/SCALE.json. With --collect it first writes these files from what run.py measured.
"""
from __future__ import annotations

import argparse
import textwrap
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from controls import CONTROLS
from independent import independent_part
from result_file import Results, collect
from rows import HERE, ROWS, Row

from ct_mm import cli
from ct_mm.deployment.speed.curve import read_curve
from ct_mm.deployment.speed.curve_report import describe_curve, format_curve, plot_curve
from ct_mm.engine.whole_file import whole_file, write_text
from ct_mm.tracking.evaluation.reports.result_tables import csv_table, markdown_table

#: Scores of the tables, their format and their title.
SCORES = dict(ao=('.3f', 'AO'), success=('.1f', 'success AUC'), precision=('.1f', 'precision'),
              norm_precision=('.1f', 'norm. precision'))


#: What the test sequences are.
DEVELOPMENT = (
    'The six sequences in the tables below are **development data**: they were looked at while weights, learning rates '
    'and `margin` were chosen, and the truck among them prompted a training. Rows are chosen by the overlap on '
    'validation pairs, never by these AOs. Intervals (95 %, bootstrap) cover the choice of sequences, and of seeds '
    'where a row has several; they cannot cover that the sequences were looked at.')


def hybrid_part(folder: Path, images: Path) -> list[str]:
    """The hybrids that were measured: a table and a plot for each ``SCALE_curve.json``."""
    parts = []
    for file in sorted(folder.glob('*_curve.json')):
        curve, scale = read_curve(file), file.name.removesuffix('_curve.json')
        images.mkdir(parents=True, exist_ok=True)
        with whole_file(images / f'{file.stem}.png') as unfinished:
            plot_curve(curve, f'hybrids at the scale {scale}, validation sequences').savefig(
                unfinished, dpi=110, format='png')
        parts += [f'## Hybrids at the scale {scale}', format_curve(curve), describe_curve(curve),
                  f'![AO against time of the hybrids](images/{file.stem}.png)']
    return parts


def score_table(results: Results, names: dict[str, str]) -> str:
    """Rows of trackers with all scores, the retained part of the teacher's AO, and their cost."""
    header = ['tracker', 'seeds', *(title for _, title in SCORES.values()), 'of the teacher', 'IoU on pairs', 'layers',
              'parameters (M)', 'GMACs', 'speed']
    lines = []
    for name, title in names.items():
        first = results.found[name][0]
        ratio = results.speed['ratios'].get(name)
        lines.append([title, str(len(results.found[name])),
                      *(results.spread(name, key, form) for key, (form, _) in SCORES.items()),
                      '100.0%' if name == 'teacher' else '{:.1%} ({:.0%} to {:.0%})'.format(*results.retained(name)),
                      results.spread(name, 'pair_iou', '.3f') if 'pair_iou' in first else '-',
                      str(first.get('layers', '-')),
                      f'{first["parameters"] / 1e6:.2f}' if 'parameters' in first else '-',
                      f'{first["macs"] / 1e9:.3f}' if 'macs' in first else '-', f'{ratio:.2f}x' if ratio else '-'])
    return markdown_table(header, lines)


def sequence_table(results: Results, names: dict[str, str]) -> str:
    """AO of each sequence, the mean over the seeds."""
    sequences = list(results.found['teacher'][0]['sequences'])
    lines = [[title, *(f'{np.mean([seed["sequences"][s]["ao"] for seed in results.found[name]]):.3f}'
                       for s in sequences)] for name, title in names.items()]
    return markdown_table(['tracker', *sequences], lines)


def budget_table(results: Results, names: dict[str, str]) -> str:
    """The budget of each training and how long it took."""
    keys = dict(pairs='train_dataloader.dataset.pairs_per_epoch', batch='train_dataloader.batch_size')
    lines = []
    for name, title in names.items():
        run = results.runs.get(name, {})
        if run:
            options = run['options']
            lines.append([title, options.get(keys['pairs'], '-'), options.get(keys['batch'], 'of the config'),
                          options.get('randomness.seed', '0'), run['device'], str(run['jobs']),
                          f'{run["seconds"] / 60:.1f}'])
    header = ['training', 'pairs an epoch (20 epochs)', 'batch', 'first seed', 'device', 'at a time',
              'minutes (if resumed: since then)']
    return markdown_table(header, lines) if lines else ''


def plot(scales: dict[str, Results], path: Path) -> None:
    """AO of every row of all scales as a picture."""
    from matplotlib.figure import Figure
    bars = [(scale, name, title, results.scores(name, 'ao')) for scale, results in scales.items()
            for name, title in results.titles().items()][::-1]
    figure = Figure(figsize=(10, 0.42 * len(bars) + 1.2), layout='constrained')
    axes = figure.subplots()
    for place, (_, name, _, values) in enumerate(bars):
        axes.barh(place, values.mean(), color='tab:blue' if name == 'teacher' else 'tab:grey' if name in CONTROLS
                  else 'tab:orange')
        axes.plot(values, [place] * len(values), 'k.')
    axes.set_yticks(range(len(bars)), [textwrap.fill(f'{scale}: {title}', 55) for scale, _, title, _ in bars])
    axes.set_xlabel('AO on the test sequences (dots: seeds)')
    axes.set_xlim(0, 1)
    path.parent.mkdir(parents=True, exist_ok=True)
    with whole_file(path) as unfinished:
        figure.savefig(unfinished, dpi=110, format='png')


def best_student(results: Results) -> list[str]:
    """The four-layer student that validation chooses."""
    best = results.best_on_validation()
    if best is None:
        return []
    value, low, high = results.retained(best)
    return [f'The four-layer student with the most overlap on validation pairs is *{results.titles()[best]}* '
            f'({results.mean(best, "pair_iou"):.3f}). It retains **{value:.1%}** of its teacher\'s AO; 95 % bootstrap '
            f'interval over sequences and seeds {low:.1%} to {high:.1%} (10,000 resamples; with a single seed, over '
            f'sequences alone).']


def speed_sentence(results: Results) -> str:
    """How the speeds were measured."""
    speed = results.speed
    if not speed['ratios']:
        return ''
    return (f'Speed: eager PyTorch {speed["torch"]} on {speed["device"]}, {speed["threads"]} threads, one search '
            f'step of the network, alternating, medians of {speed["rounds"]} after {speed["warm_up"]} to warm up.')


def other_scale(results: Results, scale: str) -> list[str]:
    """The results of another scale."""
    titles = results.titles()
    return [f'## At the scale {scale}', score_table(results, titles), sequence_table(results, titles),
            *best_student(results), budget_table(results, titles), speed_sentence(results)]


def write_csv(path: Path, scales: dict[str, Results]) -> None:
    """All scores of every tracker and seed."""
    sequences = list(next(iter(scales.values())).found['teacher'][0]['sequences'])
    write_text(path, csv_table(('scale', 'tracker', 'seed', *SCORES, *(f'ao {s}' for s in sequences)), [
        (scale, name, seed, *(result['all'][key] for key in SCORES), *(result['sequences'][s]['ao'] for s in sequences))
        for scale, results in scales.items() for name in results.titles()
        for seed, result in enumerate(results.found[name])]))


def write_report(results: Results, scale: str, doc: Path, notes: str,
                 others: Sequence[str] = ()) -> None:
    """Writes the page."""
    rows = [row for row in ROWS if row.name in results.found]
    titles = {row.name: row.title for row in rows}
    teacher = dict(teacher='teacher')
    controls = {name: text for name, text in CONTROLS.items() if name in results.found}
    parts = ['# How much accuracy is retained?', notes.strip() if notes else '',
             '`python projects/evidence/report.py` wrote this page from the files in `projects/evidence/results`, '
             'which contain every number below.', results.note, DEVELOPMENT, *others,
             f'## At the scale {scale}']
    for group, headline in dict(rivals='The method and its rivals, equal budgets', depth='Other depths',
                                ideas='Beyond the paper', long='Longer').items():
        chosen = {**teacher, **_reference(rows, group), **{row.name: row.title for row in rows if row.group == group}}
        if any(row.group == group for row in rows):
            parts += [f'### {headline}', score_table(results, chosen)]
    parts += ['### Controls and peers', score_table(results, {**teacher, **controls}),
              '### AO by sequence', sequence_table(results, results.titles()),
              f'![AO of all trackers](images/{doc.stem}.png)']
    parts += best_student(results)
    parts += ['### Training cost', budget_table(results, {**teacher, **titles}), speed_sentence(results)]
    write_text(doc, '\n\n'.join(part for part in parts if part) + '\n')


def _reference(rows: Sequence[Row], group: str) -> dict[str, str]:
    """The full method with four layers stands in every table."""
    return {row.name: row.title for row in rows if row.name == 'full'} if group != 'rivals' else {}


def main(argv: Sequence[str] | None = None) -> None:
    """Writes the report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--scale', default='cpu')
    parser.add_argument('--out', default='work_dirs/evidence', help='where run.py wrote (default: %(default)s)')
    parser.add_argument('--sequences', default='data/sequences', help='for --collect (default: %(default)s)')
    parser.add_argument('--results', type=Path, default=HERE / 'results', help='folder of SCALE.json')
    parser.add_argument('--collect', action='store_true', help='first write SCALE.json from what run.py measured')
    parser.add_argument('--doc', type=Path, default=Path('docs/evidence.md'))
    parser.add_argument('--also', metavar='SCALE', help='also show the results of this scale')
    parser.add_argument('--notes', type=Path, help='text to put in front')
    cli.add_debug(parser)
    args = parser.parse_args(argv)
    notes = args.notes.read_text(encoding='utf-8') if args.notes else ''
    names = [name for name in (args.also, args.scale) if name]
    for name in names if args.collect else ():
        collect(Path(args.out) / name, args.sequences, args.results / f'{name}.json')
    scales = {name: Results(args.results / f'{name}.json') for name in names}
    others = independent_part(HERE.parents[1]) + hybrid_part(args.results, args.doc.parent / 'images')
    others += other_scale(scales[args.also], args.also) if args.also else []
    write_report(scales[args.scale], args.scale, args.doc, notes, others)
    write_csv(args.doc.with_suffix('.csv'), scales)
    plot(scales, args.doc.parent / 'images' / f'{args.doc.stem}.png')
    print(f'written: {args.doc}')


if __name__ == '__main__':
    cli.run(main)
