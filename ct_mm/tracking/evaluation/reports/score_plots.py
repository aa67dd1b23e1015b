"""Success and precision plots of several trackers, and their scores by attribute.

Colours as in the videos: those of Okabe and Ito, "Color Universal Design", on a white ground.
"""
from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ct_mm.engine.whole_file import whole_file
from ct_mm.tracking.evaluation.reports.score_sheet import ScoreSheet
from ct_mm.tracking.evaluation.scoring.sequence_score import FORMATS

_PALETTE = ('#e69f00', '#56b4e9', '#cc79a7', '#009e73', '#000000', '#d55e00', '#0072b2')
_DASHES, _MARKERS = ('-', '--', ':', '-.'), ('o', 's', 'D', '^')  # for the first seven, the next seven ...
#: Title, label of the x axis, label of the y axis and where the score is read, by curve.
_CURVES = dict(
    success=('Success', 'overlap threshold', 'share of frames above [%]', None),
    precision=('Precision', 'distance of centres [pixels]', 'share of frames within [%]', 20),
    norm_precision=('Normalised precision', 'distance of centres / size of the box', 'share of frames within [%]', 0.2))


def choose_styles(names: Sequence[str]) -> dict[str, dict]:
    """Gives each tracker a line that depends on its place alone, so that it stays the same in all plots.

    Args:
        names: The trackers in order.

    Returns:
        Arguments of matplotlib's ``plot`` by name: a colour, and a dash that changes when the colours begin anew.

    Raises:
        ValueError: There are more names than lines that can be told apart.
    """
    if len(names) > len(_PALETTE) * len(_DASHES):
        raise ValueError(f'{len(_PALETTE) * len(_DASHES)} trackers can be told apart in one plot, not {len(names)}')
    return {name: dict(color=_PALETTE[i % len(_PALETTE)], linestyle=_DASHES[i // len(_PALETTE)])
            for i, name in enumerate(names)}


def plot_curves(curve: str, thresholds: np.ndarray, curves: Mapping[str, np.ndarray], labels: Mapping[str, str],
                title: str) -> Figure:
    """Draws one curve of several trackers.

    Args:
        curve: ``'success'``, ``'precision'`` or ``'norm_precision'``.
        thresholds: (K,).
        curves: Fractions (K,) by tracker, in the order that colours go by.
        labels: Texts of the legend by tracker, in the order of the legend.
        title: What the trackers ran on.

    Returns:
        The figure, with one line for each tracker.
    """
    name, x_label, y_label, mark = _CURVES[curve]
    figure, axes = new_figure(f'{name} on {title}', 5.2, 4.0)
    styles = choose_styles(list(curves))
    for tracker in labels:
        axes.plot(thresholds, 100 * curves[tracker], label=labels[tracker], linewidth=1.8, **styles[tracker])
    if mark is not None:
        axes.axvline(mark, color='0.6', linewidth=0.8, linestyle=(0, (2, 2)), zorder=0)
    top = max(100, 100 * max(float(curve.max()) for curve in curves.values()))  # one convention has shares above 1
    axes.set(xlim=(thresholds[0], thresholds[-1]), ylim=(0, top), xlabel=x_label, ylabel=y_label)
    # Success falls and precisions rise: the legend is where no curve is.
    axes.legend(loc='lower left' if curve == 'success' else 'lower right', fontsize=8, framealpha=0.8)
    return figure


def plot_attributes(scores: Mapping[str, Sequence[float]], attributes: Mapping[str, int], label: str,
                    title: str) -> Figure:
    """Draws one score by attribute: a row for each attribute, a dot for each tracker.

    Args:
        scores: A score for each attribute by tracker, in the order that colours go by.
        attributes: Number of sequences by attribute.
        label: Name of the score.
        title: What the trackers ran on.

    Returns:
        The figure.
    """
    height = 1 + max(0.27 * len(attributes), 0.2 * len(scores))
    figure, axes = new_figure(f'{label} by attribute on {title}', 6.4, height)
    rows = np.arange(len(attributes))
    for tracker, style in choose_styles(list(scores)).items():
        marker = _MARKERS[_DASHES.index(style['linestyle'])]
        axes.plot(scores[tracker], rows, linestyle='', marker=marker, markersize=6, alpha=0.85, label=tracker,
                  color=style['color'])
    axes.set_yticks(rows, [f'{name} ({count})' for name, count in attributes.items()])
    axes.set(xlabel=label, ylim=(len(attributes) - 0.5, -0.5))
    axes.legend(loc='upper left', bbox_to_anchor=(1.02, 1), borderaxespad=0, fontsize=8)
    return figure


def plot_sheet(sheet: ScoreSheet, title: str, key: str) -> dict[str, Figure]:
    """All plots of a score sheet.

    Args:
        sheet: The scores.
        title: What the trackers ran on.
        key: The score by attribute.

    Returns:
        A figure for each curve of the convention, its legend sorted by the score that is read off it, and
        ``attributes``, if there are any.
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
    """Writes a figure as ``path`` with each suffix, whole or not at all, without the time of day.

    Args:
        figure: The figure.
        path: Without a suffix.
        suffixes: Out of ``.png``, ``.pdf`` and ``.svg``.

    Returns:
        The files.
    """
    files = [Path(f'{os.fspath(path)}{suffix}') for suffix in suffixes]
    timeless = {'.pdf': {'CreationDate': None}, '.svg': {'Date': None}}
    # Type 42: letters that can be edited, and that publishers take. In SVG letters stay text, and identifiers the same.
    with matplotlib.rc_context({'pdf.fonttype': 42, 'svg.fonttype': 'none', 'svg.hashsalt': 'ct_mm'}):
        for file in files:
            with whole_file(file) as unfinished:
                figure.savefig(unfinished, format=file.suffix[1:], dpi=160, bbox_inches='tight',
                               metadata=timeless.get(file.suffix))
    return files


def new_figure(title: str, width: float, height: float) -> tuple[Figure, Axes]:
    """A figure outside of pyplot, which needs no screen and changes nothing for others.

    Args:
        title: Its title.
        width: In inches.
        height: In inches.

    Returns:
        The figure and its axes, with a grid.
    """
    figure = Figure(figsize=(width, height))
    axes = figure.add_subplot()
    axes.set_title(title, fontsize=11)
    axes.grid(color='0.88', linewidth=0.7)
    axes.set_axisbelow(True)
    return figure, axes
