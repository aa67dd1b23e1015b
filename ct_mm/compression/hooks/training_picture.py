"""A picture of a compression's training."""
from __future__ import annotations

import re
from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

#: Maximum number of points of a curve; more cannot be told apart.
POINTS = 200
#: For each name, sums of values and the number of values in each sum.
Histories = Mapping[str, tuple[np.ndarray, np.ndarray]]


def draw_training(histories: Histories, iterations: int) -> Figure:
    """Draws losses, mimic error of each stage, replacement and validation.

    Args:
        histories: For each scalar of MMEngine's message hub, sums of values and the number of values in each sum,
            evenly spaced over the training.
        iterations: Iterations of the whole training.

    Returns:
        The figure, with a panel for each of these that was recorded.
    """
    figure = Figure(figsize=(14, 7), layout='constrained')
    (losses, mimic), (rates, scores) = figure.subplots(2, 2)

    def curve(axes: Axes, name: str, label: str, **style: object) -> None:
        if len(histories.get(name, [()])[0]):
            axes.plot(*_points(*histories[name], iterations), label=label, **style)

    for name in ('train/loss', *sorted(name for name in histories if name.startswith('train/loss_'))):
        curve(losses, name, name.removeprefix('train/'))
    for axes, kind, alpha in ((mimic, 'mimic', 1.0), (rates, 'student', 0.5)):
        stages = [re.fullmatch(rf'train/{kind}_stage_(\d+)', name) for name in histories]
        for stage in sorted(int(found[1]) for found in stages if found):
            curve(axes, f'train/{kind}_stage_{stage}', f'stage {stage}', alpha=alpha)
    curve(rates, 'train/replacement_rate', 'replacement rate', color='black')
    score = _score(histories)
    curve(scores, f'val/{score}', 'student', marker='o')
    curve(scores, f'val/teacher/{score}', 'teacher', color='black', linestyle='--')
    titles = {losses: 'losses (should fall)', mimic: "distance from the teacher's tokens, by stage (should fall)",
              rates: 'share of steps in which the student runs a stage',
              scores: f'validation: {score} (closer to the teacher is better)'}
    for axes, title in titles.items():
        if not axes.lines:
            axes.remove()
            continue
        axes.set(title=title, xlabel='iteration', xlim=(0, max(iterations, 1)))
        axes.grid(alpha=0.3)
        axes.legend(fontsize=8, loc='upper left', bbox_to_anchor=(1.01, 1), borderaxespad=0)  # beside the curves
    shown = figure.axes
    grid = figure.add_gridspec((len(shown) + 1) // 2 or 1, 2)
    for place, axes in enumerate(shown):  # the last of an odd number takes the whole row
        wide = place + 1 == len(shown) and place % 2 == 0
        axes.set_subplotspec(grid[place // 2, slice(None) if wide else place % 2])
    for axes in shown[:2]:
        if axes in (losses, mimic) and any((np.asarray(line.get_ydata()) > 0).any() for line in axes.lines):
            axes.set_yscale('log')
    return figure


def _points(sums: np.ndarray, counts: np.ndarray, iterations: int) -> tuple[np.ndarray, np.ndarray]:
    """Returns the iterations and the means of a curve with at most ``POINTS`` points."""
    sums, counts = (np.asarray(part, dtype=float) for part in (sums, counts))
    ends = counts.cumsum() / counts.sum() * iterations
    last = np.unique(np.linspace(0, len(sums), min(len(sums), POINTS) + 1).astype(int)[1:]) - 1  # of each point
    known = np.isfinite(sums)
    total, number = (np.diff(np.where(known, part, 0).cumsum()[last], prepend=0) for part in (sums, counts))
    return ends[last], np.divide(total, number, out=np.full(len(last), np.nan), where=number > 0)


def _score(histories: Histories) -> str | None:
    """Chooses the validation's average overlap if it exists, else a score that the teacher has too, else any."""
    names = [name.removeprefix('val/') for name in histories
             if name.startswith('val/') and not name.startswith('val/teacher/')]
    return min(names, default=None,
               key=lambda name: (not name.lower().endswith('ao'), f'val/teacher/{name}' not in histories))
