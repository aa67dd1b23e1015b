"""A compression's training in one picture."""
from __future__ import annotations

import re
from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

#: Most points of a curve: more cannot be told apart.
POINTS = 200


def draw_training(histories: Mapping[str, np.ndarray], iterations: int) -> Figure:
    """Draws losses, mimic error of each stage, replacement and validation.

    Args:
        histories: All values of each scalar by its name in MMEngine's message hub, evenly spaced over the training.
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


def _curve(axes: Axes, histories: Mapping[str, np.ndarray], name: str, iterations: int, label: str,
           **style: object) -> None:
    values = np.asarray(histories.get(name, ()), dtype=float)
    if not len(values):
        return
    chunks = np.array_split(values, min(len(values), POINTS))
    means = [np.mean(finite) if len(finite := chunk[np.isfinite(chunk)]) else np.nan for chunk in chunks]
    ends = np.cumsum([len(chunk) for chunk in chunks]) / len(values) * iterations
    axes.plot(ends, means, label=label, **style)


def _score(histories: Mapping[str, np.ndarray]) -> str | None:
    """The validation's average overlap if there is one, else the first score that the teacher has too, else any."""
    names = [name.removeprefix('val/') for name in histories
             if name.startswith('val/') and not name.startswith('val/teacher/')]
    names.sort(key=lambda name: (not name.lower().endswith('ao'), f'val/teacher/{name}' not in histories))
    return names[0] if names else None


def _number(name: str) -> int:
    return int(name.rpartition('_')[2])
