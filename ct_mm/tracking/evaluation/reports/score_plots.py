"""Plots success and precision curves of several trackers, and their scores by attribute.

Colours follow Okabe and Ito, "Color Universal Design", as in the videos, adapted to a white background.
"""
from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from itertools import product
from pathlib import Path

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ct_mm.engine.whole_file import whole_file
from ct_mm.tracking.evaluation.reports.score_sheet import ScoreSheet
from ct_mm.tracking.evaluation.scoring.sequence_score import FORMATS

_PALETTE = ('#e69f00', '#56b4e9', '#cc79a7', '#009e73', '#000000', '#d55e00', '#0072b2')
#: Marker by line style; the first style serves the first seven trackers, the second the next seven, and so on.
MARKERS = {'-': 'o', '--': 's', ':': 'D', '-.': '^'}
#: Title, labels of the x and y axes, and threshold of the score, by curve.
_CURVES = dict(
    success=('Success', 'overlap threshold', 'share of frames above [%]', None),
    precision=('Precision', 'distance of centres [pixels]', 'share of frames within [%]', 20),
    norm_precision=('Normalised precision', 'distance of centres / size of the box', 'share of frames within [%]', 0.2))


def choose_styles(names: Sequence[str]) -> dict[str, dict]:
    """Assigns each tracker a line style by its position, so that it is the same in all plots.

    Args:
        names: Names of the trackers in order.

    Returns:
        Arguments of matplotlib's ``plot`` by name: a colour, and a line style that changes when the colours repeat.

    Raises:
        ValueError: There are more names than distinct styles.
    """
    styles = list(product(MARKERS, _PALETTE))
    if len(names) > len(styles):
        raise ValueError(f'a plot can distinguish at most {len(styles)} trackers, not {len(names)}')
    return {name: dict(color=color, linestyle=line) for name, (line, color) in zip(names, styles)}


def plot_curves(curve: str, thresholds: np.ndarray, curves: Mapping[str, np.ndarray], labels: Mapping[str, str],
                title: str) -> Figure:
    """Plots the curves of several trackers.

    Args:
        curve: ``'success'``, ``'precision'`` or ``'norm_precision'``.
        thresholds: Thresholds of the curve, (K,).
        curves: Fractions (K,) by tracker; their order determines the colours.
        labels: Text of the legend by tracker, in the order of the legend.
        title: Name of the benchmark.

    Returns:
        A figure with one line for each tracker.
    """
    name, x_label, y_label, mark = _CURVES[curve]
    figure, axes = new_figure(f'{name} on {title}', 5.2, 4.0)
    styles = choose_styles(list(curves))
    for tracker in labels:
        axes.plot(thresholds, 100 * curves[tracker], label=labels[tracker], linewidth=1.8, **styles[tracker])
    if mark is not None:
        axes.axvline(mark, color='0.6', linewidth=0.8, linestyle=(0, (2, 2)), zorder=0)
    top = max(100, 100 * max(float(curve.max()) for curve in curves.values()))  # one convention can exceed 1
    axes.set(xlim=(thresholds[0], thresholds[-1]), ylim=(0, top), xlabel=x_label, ylabel=y_label)
    # Success curves fall and precision curves rise; put the legend into the empty corner.
    axes.legend(loc='lower left' if curve == 'success' else 'lower right', fontsize=8, framealpha=0.8)
    return figure


def plot_attributes(scores: Mapping[str, Sequence[float]], attributes: Mapping[str, int], label: str,
                    title: str) -> Figure:
    """Plots a score by attribute, with a row for each attribute and a dot for each tracker.

    Args:
        scores: Scores of all attributes by tracker; their order determines the colours.
        attributes: Number of sequences by attribute.
        label: Name of the score.
        title: Name of the benchmark.

    Returns:
        The figure.
    """
    height = 1 + max(0.27 * len(attributes), 0.2 * len(scores))
    figure, axes = new_figure(f'{label} by attribute on {title}', 6.4, height)
    rows = np.arange(len(attributes))
    for tracker, style in choose_styles(list(scores)).items():
        axes.plot(scores[tracker], rows, linestyle='', marker=MARKERS[style['linestyle']], markersize=6, alpha=0.85,
                  label=tracker, color=style['color'])
    axes.set_yticks(rows, [f'{name} ({count})' for name, count in attributes.items()])
    axes.set(xlabel=label, ylim=(len(attributes) - 0.5, -0.5))
    axes.legend(loc='upper left', bbox_to_anchor=(1.02, 1), borderaxespad=0, fontsize=8)
    return figure


def plot_sheet(sheet: ScoreSheet, title: str, key: str) -> dict[str, Figure]:
    """Plots everything in a score sheet.

    Args:
        sheet: The scores.
        title: Name of the benchmark.
        key: Score to plot by attribute.

    Returns:
        A figure for each curve of the convention, with its legend sorted by score, and one named ``attributes`` if the
        benchmark has attributes.
    """
    figures = {}
    for curve, thresholds in sheet.convention.thresholds.items():
        score = sheet.main_key if curve == 'success' else curve
        labels = {tracker: f'[{sheet.summary(tracker)[score]:{FORMATS[score]}}] {tracker}'
                  for tracker in sheet.rank(score)}
        curves = {tracker: sheet.curves(tracker)[curve] for tracker in sheet.trackers}
        figures[curve] = plot_curves(curve, thresholds, curves, labels, title)
    if sheet.attributes:
        scores = {tracker: [sheet.summary(tracker, numbers).get(key, np.nan) for numbers in sheet.attributes.values()]
                  for tracker in sheet.trackers}
        counts = {attribute: len(numbers) for attribute, numbers in sheet.attributes.items()}
        figures['attributes'] = plot_attributes(scores, counts, key, title)
    return figures


def save_figure(figure: Figure, path: str | os.PathLike, suffixes: Sequence[str] = ('.png', '.pdf')) -> list[Path]:
    """Writes a figure to ``path`` with each suffix, atomically and without a timestamp.

    Args:
        figure: The figure.
        path: Path without a suffix.
        suffixes: Any of ``.png``, ``.pdf`` and ``.svg``.

    Returns:
        The paths of the files.
    """
    files = [Path(f'{os.fspath(path)}{suffix}') for suffix in suffixes]
    timeless = {'.pdf': {'CreationDate': None}, '.svg': {'Date': None}}
    # Type 42 fonts stay editable and are accepted by publishers. SVG keeps text as text, with stable identifiers.
    with matplotlib.rc_context({'pdf.fonttype': 42, 'svg.fonttype': 'none', 'svg.hashsalt': 'ct_mm'}):
        for file in files:
            with whole_file(file) as unfinished:
                figure.savefig(unfinished, format=file.suffix[1:], dpi=160, bbox_inches='tight',
                               metadata=timeless.get(file.suffix))
    return files


def new_figure(title: str, width: float, height: float) -> tuple[Figure, Axes]:
    """Creates a figure without pyplot, so that it needs no screen and changes no global state.

    Args:
        title: Title of the figure.
        width: Width in inches.
        height: Height in inches.

    Returns:
        The figure and its axes, with a grid.
    """
    figure = Figure(figsize=(width, height))
    axes = figure.add_subplot()
    axes.set_title(title, fontsize=11)
    axes.grid(color='0.88', linewidth=0.7)
    axes.set_axisbelow(True)
    return figure, axes
