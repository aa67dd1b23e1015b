"""A compression's training in one picture."""
from __future__ import annotations

import re
from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

#: Most points of a curve: more cannot be told apart.
POINTS = 200
#: Sums of values, and how many each is of, by name.
Histories = Mapping[str, tuple[np.ndarray, np.ndarray]]


def draw_training(histories: Histories, iterations: int) -> Figure:
    """Draws losses, mimic error of each stage, replacement and validation.

    Args:
        histories: For each scalar of MMEngine's message hub, by its name, sums of values and how many each sum is of,
            evenly spaced over the training.
        iterations: Of the whole training.

    Returns:
        The figure, four panels.
    """
    figure = Figure(figsize=(11, 7), layout='constrained')
    (losses, mimic), (rates, scores) = figure.subplots(2, 2)
    for name in ('train/loss', *sorted(name for name in histories if name.startswith('train/loss_'))):
        _curve(losses, histories, name, iterations, name.removeprefix('train/'))
    for axes, kind in ((mimic, 'mimic'), (rates, 'student')):
        stages = sorted((name for name in histories if re.fullmatch(rf'train/{kind}_stage_\d+', name)), key=_number)
        for name in stages:
            _curve(axes, histories, name, iterations, f'stage {_number(name)}', alpha=1.0 if kind == 'mimic' else 0.5)
    _curve(rates, histories, 'train/replacement_rate', iterations, 'replacement rate', color='black')
    score = _score(histories)
    if score is not None:
        _curve(scores, histories, f'val/{score}', iterations, 'student', marker='o')
        _curve(scores, histories, f'val/teacher/{score}', iterations, 'teacher', color='black', linestyle='--')
    for axes, title in ((losses, 'losses'), (mimic, 'mimic error of each stage'),
                        (rates, 'stages run by the student'), (scores, f'validation: {score or "none"}')):
        axes.set(title=title, xlabel='iteration', xlim=(0, max(iterations, 1)))
        axes.grid(alpha=0.3)
        if axes.lines:
            axes.legend(fontsize=8)
    for axes in (losses, mimic):
        if any((np.asarray(line.get_ydata()) > 0).any() for line in axes.lines):
            axes.set_yscale('log')
    return figure


def _curve(axes: Axes, histories: Histories, name: str, iterations: int, label: str, **style: object) -> None:
    sums, counts = (np.asarray(part, dtype=float) for part in histories.get(name, ((), ())))
    if not len(sums):
        return
    ends = counts.cumsum() / counts.sum() * iterations
    last = np.unique(np.linspace(0, len(sums), min(len(sums), POINTS) + 1).astype(int)[1:]) - 1  # of each point
    known = np.isfinite(sums)
    total, number = (np.where(known, part, 0).cumsum()[last] for part in (sums, counts))
    total, number = np.diff(total, prepend=0), np.diff(number, prepend=0)
    axes.plot(ends[last], np.divide(total, number, out=np.full(len(last), np.nan), where=number > 0), label=label,
              **style)


def _score(histories: Histories) -> str | None:
    """The validation's average overlap if there is one, else the first score that the teacher has too, else any."""
    names = [name.removeprefix('val/') for name in histories
             if name.startswith('val/') and not name.startswith('val/teacher/')]
    names.sort(key=lambda name: (not name.lower().endswith('ao'), f'val/teacher/{name}' not in histories))
    return names[0] if names else None


def _number(name: str) -> int:
    return int(name.rpartition('_')[2])
