"""Plots accuracy against speed, with the same colours as the other plots."""
from __future__ import annotations

from collections.abc import Mapping

from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, ScalarFormatter

from ct_mm.tracking.evaluation.reports.score_plots import MARKERS, choose_styles, new_figure


def plot_speed(milliseconds: Mapping[str, float], accuracies: Mapping[str, float], label: str, title: str) -> Figure:
    """Plots a labelled point for each tracker; better ones are further up and to the left.

    Args:
        milliseconds: Time per frame by tracker; the order determines the colours.
        accuracies: Accuracy by tracker; trackers without one are not drawn.
        label: Name of the accuracy.
        title: Description of the machine on which the times were measured.

    Returns:
        The figure, with milliseconds on a logarithmic scale.

    Raises:
        ValueError: No tracker has both a time and an accuracy, or a time is not positive.
    """
    drawn = [name for name in milliseconds if name in accuracies]
    if not drawn:
        raise ValueError(f'nothing to plot: times are known for {", ".join(milliseconds) or "no tracker"}, accuracies '
                         f'for {", ".join(accuracies) or "no tracker"}')
    if not all(milliseconds[name] > 0 for name in drawn):
        raise ValueError(f'times must be positive, not {dict(milliseconds)}')
    figure, axes = new_figure(title, 6.0, 4.2)
    styles = choose_styles(list(milliseconds))
    for index, name in enumerate(sorted(drawn, key=lambda name: milliseconds[name])):
        place, below = (milliseconds[name], accuracies[name]), index % 2  # alternate to separate names
        axes.plot(*place, marker=MARKERS[styles[name]['linestyle']], markersize=8, linestyle='',
                  color=styles[name]['color'], markeredgecolor='black', markeredgewidth=0.6,
                  label=f'{name}  {place[0]:.3g} ms')
        axes.annotate(name, place, xytext=(0, -9 if below else 8), textcoords='offset points', fontsize=8,
                      ha='center', va='top' if below else 'bottom')
    axes.set_xscale('log')
    axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.xaxis.set_major_formatter(ScalarFormatter())
    axes.xaxis.set_minor_locator(LogLocator(subs='all'))
    axes.xaxis.set_minor_formatter(lambda value, place: '')
    axes.margins(x=0.15, y=0.15)  # room for the names
    axes.legend(loc='upper left', bbox_to_anchor=(1.02, 1), borderaxespad=0, fontsize=8)
    axes.set(xlabel='time of a frame [ms]', ylabel=label)
    return figure
