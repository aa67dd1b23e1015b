"""Accuracy against speed, one point for each tracker; colours as in the other plots."""
from __future__ import annotations

from collections.abc import Mapping

from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, ScalarFormatter

from ct_mm.tracking.evaluation.reports.score_plots import choose_styles, new_figure

_MARKERS = dict(zip(('-', '--', ':', '-.'), ('o', 's', 'D', '^')))


def plot_speed(milliseconds: Mapping[str, float], accuracies: Mapping[str, float], label: str, title: str) -> Figure:
    """Draws a point with its name for each tracker: the further up and to the left, the better.

    Args:
        milliseconds: Time of a frame by tracker, in the order that colours go by.
        accuracies: By tracker; who is missing is not drawn.
        label: What the accuracy is.
        title: What the times were measured on.

    Returns:
        The figure; milliseconds on a logarithmic scale.

    Raises:
        ValueError: No tracker has both, or a time is not positive.
    """
    drawn = [name for name in milliseconds if name in accuracies]
    if not drawn:
        raise ValueError(f'nothing to draw: times are known of {", ".join(milliseconds) or "nobody"}, accuracies of '
                         f'{", ".join(accuracies) or "nobody"}')
    if not all(milliseconds[name] > 0 for name in drawn):
        raise ValueError(f'times must be positive, not {dict(milliseconds)}')
    figure, axes = new_figure(title, 6.0, 4.2)
    styles = choose_styles(list(milliseconds))
    for index, name in enumerate(sorted(drawn, key=lambda name: milliseconds[name])):
        place, below = (milliseconds[name], accuracies[name]), index % 2  # in turn, so that neighbours have room
        axes.plot(*place, marker=_MARKERS[styles[name]['linestyle']], markersize=8, linestyle='',
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
